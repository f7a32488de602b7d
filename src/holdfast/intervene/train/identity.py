"""The identity of a run: the inputs that its checkpoints depend on, in addition to its options and examples."""

from collections.abc import Sequence

from holdfast.arms import Stage
from holdfast.intervene.entries import mask_digest
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.methods import Method, usual_method
from holdfast.models.load import LoadedModel
from holdfast.records import Exchange, digest_of
from holdfast.values import Mask


def identity_of(
    stage: Stage,
    loaded: LoadedModel,
    mask: Mask | None,
    method: Method,
    options: MethodOptions,
    extra: Sequence[Exchange] = (),
) -> list[object]:
    """Lists the inputs that identify a run's checkpoints.

    A default method adds no entry, and neither does what a method does not read, so that runs of earlier versions can
    resume.
    """
    named = [] if method.name == usual_method(stage, mask) else [method.name]
    read = [options.model_dump(include=set(method.options))] if method.options else []
    data = [digest_of(extra)] if extra else []
    return [loaded.base, mask and mask_digest(mask), *named, *read, *data]
