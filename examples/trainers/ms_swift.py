"""ms-swift with held weights.

Add `--external_plugins ms_swift.py --callbacks hold` to `swift sft`.
"""

from swift.callbacks import callbacks_map

from holdfast import ProtectCallback

callbacks_map["hold"] = lambda args, trainer: ProtectCallback("mask.safetensors")
