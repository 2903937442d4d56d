"""Messages that are kept compressed: smaller on disk, read with zstd itself, and the same for every client."""
import os
import subprocess
import unittest

from posta import Instance


class Compressed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"mailbox_compress": "zstd"})
        cls.addClassCleanup(cls.instance.close)

    def files(self, name):
        maildir = os.path.join(self.instance.home, "mail", "example.test", name, "Maildir")
        return sorted(os.path.join(folder, file) for folder, _, files in os.walk(maildir) for file in files
                      if os.path.basename(folder) in ("new", "cur"))

    def test_delivered_and_appended(self):
        body = "\r\n".join(f"{number}: the same again" for number in range(20000)) + "\r\n"
        self.instance.inject("a@b.test", ["alice@example.test"], f"Subject: delivered\r\n\r\n{body}")
        self.instance.wait_queue_empty()
        with self.instance.imap("alice") as client:
            client.append("INBOX", None, None, f"Subject: appended\r\n\r\n{body}".encode())
            client.append("INBOX", None, None, b"Subject: short\r\n\r\nbody\r\n")
            client.select()
            sizes = [int(line.split()[-1].rstrip(b")")) for line in client.fetch("1:*", "(RFC822.SIZE)")[1]]
            contents = [client.fetch(str(number), "(BODY.PEEK[])")[1][0][1] for number in (1, 2, 3)]
            self.assertEqual(sizes, [len(content) for content in contents])
            self.assertIn(b"\r\nSubject: delivered\r\n", contents[0])
            self.assertTrue(contents[0].endswith(b"\r\n\r\n" + body.encode()))
            self.assertEqual(contents[1], f"Subject: appended\r\n\r\n{body}".encode())
            self.assertEqual(client.fetch("2", "(BODY.PEEK[]<100000.20>)")[1][0][1], contents[1][100000:100020])
            self.assertEqual(client.search(None, "BODY", '"19999: the same"')[1], [b"1 2"])
            client.create("Copy")
            client.copy("2", "Copy")
            client.select("Copy")
            self.assertEqual(client.fetch("1", "(BODY.PEEK[])")[1][0][1], contents[1])
        client = self.instance.pop3("alice")
        self.assertEqual(b"\r\n".join(client.retr(1)[1]) + b"\r\n", contents[0])
        self.assertEqual([int(line.split()[1]) for line in client.list()[1]], sizes)
        client.quit()
        packed = [file for file in self.files("alice") if ",Z=" in os.path.basename(file)]
        self.assertEqual(len(packed), 3)
        for file in packed:
            self.assertLess(os.path.getsize(file), len(body) // 2)
            unpacked = subprocess.run(["zstd", "-dc", file], stdout=subprocess.PIPE, check=True).stdout
            self.assertTrue(unpacked.endswith(body.encode()))


if __name__ == "__main__":
    unittest.main()
