"""SIGTERM ends a command also within a long native call, and an interrupt is told with what it left behind."""

import subprocess
import sys
import time

import pytest

from holdfast.stopping import BEGINS_AGAIN, CONTINUES, CUT_OFF, mark_saved, stopped_sentence

NATIVE = """
import ctypes, os, signal, threading
from holdfast import stopping
stopping.GRACE = 0.5
stopping.end_on_sigterm()
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
# A native call that goes on after a signal, as a backward pass does. It gives other threads their turn.
library = ctypes.CDLL(None)
semaphore = ctypes.create_string_buffer(64)
library.sem_init(semaphore, 0, 0)
signal.siginterrupt(signal.SIGTERM, False)  # the call restarts
library.sem_wait(semaphore)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM between processes")
def test_a_native_call_that_does_not_end_is_cut_off_after_the_grace():
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", NATIVE], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (143, f"holdfast: {CUT_OFF}\n")
    assert time.monotonic() - started < 15, "the call itself would never end"


DESTRUCTOR = """
import os, signal, time
from holdfast import stopping
stopping.end_on_sigterm()

class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

try:
    slow = Slow()
    del slow
    time.sleep(5)
    print("goes on")
except stopping.TerminatedError:
    print("ends")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM between processes")
def test_a_stop_that_python_ignored_in_a_destructor_is_not_lost():
    done = subprocess.run([sys.executable, "-c", DESTRUCTOR], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr) == ("ends\n", "")


CHILD = """
import os, signal, time
from holdfast import stopping
stopping.GRACE = 0.3
stopping.end_on_sigterm()
if (child := os.fork()) == 0:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(20)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
time.sleep(0.8)
print("goes on")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="has no fork")
def test_the_end_of_a_forked_worker_is_not_that_of_the_command():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


@pytest.mark.parametrize(
    ("file", "command", "sentence"),
    [
        ("responses.jsonl", "evaluate", f"stopped; FOLDER keeps what is done so far. {CONTINUES}"),
        ("checkpoint-2/model.safetensors", "adapt", f"stopped; FOLDER keeps what is done so far. {CONTINUES}"),
        ("settings.json", "evaluate", BEGINS_AGAIN),
        ("fine_tuning.json", "adapt", f"{BEGINS_AGAIN} --checkpoint-every N saves one every N steps."),
        ("settings.json", "run", f"stopped; finished steps are kept. {CONTINUES}"),
    ],
)
def test_a_command_continues_only_from_a_state_on_disk(tmp_path, file, command, sentence):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    stop = KeyboardInterrupt()
    mark_saved(stop, tmp_path)
    assert stopped_sentence(stop, command) == sentence.replace("FOLDER", str(tmp_path))


def test_an_empty_file_is_no_state(tmp_path):
    (tmp_path / "responses.jsonl").touch()
    stop = KeyboardInterrupt()
    mark_saved(stop, tmp_path)
    assert stopped_sentence(stop, "evaluate") == BEGINS_AGAIN


def test_an_option_that_was_given_is_not_advised():
    said = stopped_sentence(KeyboardInterrupt(), "adapt", ["adapt", "m", "--checkpoint-every", "50"])
    assert said == f"{BEGINS_AGAIN} It had not reached the first one of --checkpoint-every."
    assert "--checkpoint-every N saves" in stopped_sentence(KeyboardInterrupt(), "adapt", ["adapt", "m"])
