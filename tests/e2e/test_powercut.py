"""The power is cut while mail flows: the short form of tests/powercut (`tests/powercut/long`)."""
import os
import sys
import unittest

from posta import TOP

sys.path.insert(0, os.path.join(TOP, "tests", "powercut"))

# pylint: disable=wrong-import-position
from powercut import CLEANUP_WITHOUT_FSYNC, report, run

POINTS = 16
SECONDS = 2.5


class PowerCut(unittest.TestCase):
    def test_nothing_promised_is_lost(self):
        figures, wrong = run(1, POINTS, SECONDS)
        self.assertEqual(wrong, [])
        self.assertEqual(figures["points"], POINTS)
        self.assertGreater(figures["promises"], POINTS, report(figures))
        self.assertGreater(figures["changes by IMAP"], 0, report(figures))

    def test_a_missing_fsync_is_found(self):
        """The proof of the proof: cleanup without the queue file's fsync loses mail, and this sees it."""
        figures, wrong = run(2, 3 * POINTS, SECONDS, CLEANUP_WITHOUT_FSYNC, until_loss=True)
        self.assertTrue([text for text in wrong if "got 250" in text], f"{report(figures)} {wrong}")


if __name__ == "__main__":
    unittest.main()
