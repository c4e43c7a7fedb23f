"""Counts a subunit stream on standard input: prints passed failed skipped."""

import sys

import subunit
from testtools import StreamSummary


def main() -> None:
    """Read to the end, then print one line."""
    summary = StreamSummary()
    stream = subunit.ByteStreamToStreamResult(
        sys.stdin.buffer, non_subunit_name="stdout"
    )
    summary.startTestRun()
    stream.run(summary)
    summary.stopTestRun()
    failed = len(summary.errors) + len(summary.failures)
    passed = summary.testsRun - failed - len(summary.skipped)
    print(passed, failed, len(summary.skipped))


main()
