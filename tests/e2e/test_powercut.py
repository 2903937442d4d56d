"""The power is cut while mail flows: the short form of tests/powercut (`tests/powercut/long`)."""
import collections
import os
import sys
import unittest

from posta import TOP

sys.path.insert(0, os.path.join(TOP, "tests", "powercut"))

# pylint: disable=wrong-import-position
from powercut import CLEANUP_WITHOUT_FSYNC, Run, report, run

POINTS = 10
MESSAGES = 20


class PowerCut(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = Run(1)
        cls.addClassCleanup(cls.run_.close)
        cls.run_.record(MESSAGES)

    def test_nothing_promised_is_lost(self):
        figures = collections.Counter()
        self.assertEqual(self.run_.cut(POINTS, figures), [])
        self.assertEqual(figures["points"], POINTS)
        self.assertGreater(figures["promises"], POINTS, report(figures))
        self.assertGreater(figures["facts"], POINTS, report(figures))

    # The proof of the proof: what is not durable is lost, and this sees it.

    def test_a_disk_that_does_not_sync_files_is_found(self):
        self.assertTrue(self.run_.cut(40, collections.Counter(), True, "files"))

    def test_a_disk_that_does_not_sync_directories_is_found(self):
        self.assertTrue(self.run_.cut(40, collections.Counter(), True, "directories"))

    def test_a_cleanup_without_fsync_is_found(self):
        figures, wrong = run(2, 40, MESSAGES, CLEANUP_WITHOUT_FSYNC, until_loss=True)
        self.assertTrue([text for text in wrong if "got 250" in text], f"{report(figures)} {wrong}")


if __name__ == "__main__":
    unittest.main()
