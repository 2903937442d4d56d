"""The log as one program writes it: complete, in order, through rotation and the writer's death."""
import json
import os
import re
import signal
import unittest

from posta import PLAIN_BUILD, Instance, message, wait_until


def pids(suite, program):
    return [item["pid"] for item in map(json.loads, (
        line for line in suite.posta("status", "--json").text.splitlines() if line.startswith("{")))
        if item["program"] == program]


class Log(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(build=PLAIN_BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def send(self, count, subject):
        with self.suite.smtp(25) as client:
            for i in range(count):
                client.sendmail("a@client.test", [self.suite.user("bob")],
                                message(subject=f"{subject} {i}"))
        self.suite.wait_queue_empty()

    def test_only_master_and_the_writer_have_it_open(self):
        have = set()
        wanted = os.path.realpath(self.suite.log_file)
        for line in self.suite.posta("status", "--json").text.splitlines():
            if not line.startswith("{"):
                continue
            item = json.loads(line)
            folder = f"/proc/{item['pid']}/fd"
            if any(os.path.realpath(os.path.join(folder, fd)) == wanted for fd in os.listdir(folder)):
                have.add(item["program"])
        self.assertEqual(have, {"master", "postlogd"})

    def test_lines_of_a_message_are_in_order(self):
        """It is removed after the result of its delivery was told, and told of after it came."""
        self.send(200, "order")
        self.suite.wait_log(r"removed\n(?!.*removed)")
        seen = {}
        for line in self.suite.log().splitlines():
            if match := re.search(r"\]: (\w{8,}): (client=|message-id=|from=|to=|removed)", line):
                seen.setdefault(match[1], []).append(match[2])
        whole = [order for order in seen.values() if "removed" in order]
        self.assertGreaterEqual(len(whole), 200)
        for order in whole:
            self.assertEqual(order, ["client=", "message-id=", "from=", "to=", "removed"])

    def test_a_moved_file_is_followed(self):
        old = self.suite.log_file + ".1"
        os.rename(self.suite.log_file, old)
        wait_until(lambda: os.path.exists(self.suite.log_file), what="a new log file")
        self.send(3, "rotated")
        self.suite.wait_log(r"(?s)removed.*removed.*removed")
        self.suite.posta("reload")
        self.send(1, "reloaded")
        self.assertNotIn("were lost", self.suite.log())
        with open(old) as file, open(self.suite.log_file, "a") as log:
            log.write(file.read())  # for the other tests
        self.suite.posta("reload")

    def test_the_writer_is_killed(self):
        """What was on its way is written by its successor; what it had taken is counted."""
        with self.suite.smtp(25) as client:
            for i in range(60):
                if i % 20 == 10:
                    for pid in pids(self.suite, "postlogd"):
                        os.kill(pid, signal.SIGKILL)
                client.sendmail("a@client.test", [self.suite.user("bob")],
                                message(subject=f"killed {i}", extra=f"X-Number: {i}\r\n"))
        self.suite.wait_queue_empty()
        self.suite.wait_log(r"postlogd\[\d+\] was killed")
        wait_until(lambda: pids(self.suite, "postlogd"), what="a new writer")
        self.send(1, "after the kill")
        log = self.suite.log()
        lost = sum(int(n) for n in re.findall(r"(\d+) lines of the log were lost", log))
        with_client = set(re.findall(r": (\w{8,}): client=", log))
        removed = set(re.findall(r": (\w{8,}): removed", log))
        self.assertLessEqual(len(with_client ^ removed), lost)


if __name__ == "__main__":
    unittest.main()
