"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz [name …] [--seconds 60]`; without a name all of them
at once. `--corpus folder` keeps what was found interesting from one run to the next.

Ends with a status that is not 0 where something fell, and leaves the bytes that did it beside the corpus (crash-…).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LONGEST = 4096  # bytes of one input
SLOWEST = 5  # seconds of the processor for one input: a busy machine is no fault of ours
HUNG = 60  # seconds by the clock


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", metavar="name", help="target, headers, redactor, classifier")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        _fuzz(asked.names[0], asked.seconds, asked.corpus)
    with tempfile.TemporaryDirectory() as folder:
        corpus = (asked.corpus or Path(folder)).absolute()
        names = asked.names or ["target", "headers", "redactor", "classifier"]
        with ThreadPoolExecutor(len(names)) as at_once:
            return max(at_once.map(lambda name: _apart(name, asked.seconds, corpus / name), names))


def _apart(name: str, seconds: int, corpus: Path) -> int:
    """In a process of its own: a fuzzer never comes back."""
    corpus.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz", name, "--one", f"--seconds={seconds}", f"--corpus={corpus}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)
    last = [line for line in done.stderr.splitlines() if line.startswith(("#", "Done"))][-2:]
    sys.stdout.write(f"{name}: {'fell' if done.returncode else 'stands'}. {' '.join(last)}\n")
    if done.returncode:
        sys.stdout.write(done.stdout[-4000:] + done.stderr[-4000:])
    return done.returncode


def _fuzz(name: str, seconds: int, corpus: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["proxy"]):
        from tests.fuzz import targets
    for number, seed in enumerate(targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={HUNG}", "-rss_limit_mb=1024"]
    options += [f"-artifact_prefix={corpus.parent}/{name}-", "-print_final_stats=0"]
    atheris.Setup([name, *options, str(corpus)], _timed(targets.TARGETS[name]))
    atheris.Fuzz()


def _timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        began = time.process_time()
        target(data)
        assert time.process_time() - began < SLOWEST

    return run


if __name__ == "__main__":
    sys.exit(main())
