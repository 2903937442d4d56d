"""scripts/check-walks: finds a wait inside a walk, directly and through functions, and nothing else."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

SOURCE = """
static void walk_deep(struct ipc *ipc)
{
	ipc_flush(ipc);
}
int ipc_flush(struct ipc *ipc)
{
	return task_wait_writable(ipc->fd, 0);
}
static void walk_direct(void)
{
	list_for_each (&all, struct thing, link, thing)
		if (thing->is_late)
			task_sleep(1);
}
static void walk_through(struct ipc *ipc)
{
	map_for_each(users, i) {
		walk_deep(ipc);
	}
}
static void walk_quiet(struct ipc *ipc)
{
	list_for_each (&all, struct thing, link, thing) {
		count++; /* task_sleep(1) */
		log_info("task_sleep(%d)", 1);
	}
	walk_deep(ipc);
}
"""


class Walks(unittest.TestCase):
    def test_what_it_finds(self):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(SOURCE)
            file.flush()
            done = subprocess.run([os.path.join(TOP, "scripts/check-walks"), "--files", file.name],
                                  stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        found = [line.split(": ", 1)[1] for line in done.stdout.splitlines()]
        self.assertEqual(found, [
            "walk_direct waits inside a walk: task_sleep",
            "walk_through waits inside a walk: walk_deep -> ipc_flush -> task_wait_writable"])

    def test_the_tree(self):
        done = subprocess.run([os.path.join(TOP, "scripts/check-walks")], stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
