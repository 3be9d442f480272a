"""``python -m harness.running JOB.json``: one cell, as ``harness run`` starts it for each."""

from harness.running.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent()

    import os
    import sys
    from pathlib import Path

    from harness.errors import HarnessError
    from harness.running.worker import main

    try:
        code = main(Path(sys.argv[1]))
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)  # a thread that a method left behind must not hold the device
