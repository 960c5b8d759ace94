"""A copy of the tree with its build folder, in which one file at a time is changed and what depends on it built anew."""
import contextlib
import os
import shutil
import subprocess

# Not needed there, or large.
LEFT_OUT = {"mutants", "san", "ubsan", "tsan", "deps", "bench", "cov", "fuzz"}


class Tree:
    def __init__(self, build, root):
        self.root, self.build = root, "build"
        shutil.rmtree(root, ignore_errors=True)
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
        for path in files.stdout.splitlines():
            if os.path.isfile(path):
                os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
                shutil.copy2(path, f"{root}/{path}", follow_symlinks=False)
        # With their times, so that nothing is built that need not be.
        shutil.copytree(build, f"{root}/{self.build}", symlinks=True, ignore=lambda folder, names:
                        LEFT_OUT & set(names) if os.path.samefile(folder, build) else set())

    def make(self, targets):
        """None, or the first line of what the compiler says."""
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "O")}
        done = subprocess.run(["make", f"O={self.build}", *targets], cwd=self.root, env=env, capture_output=True, text=True)
        if done.returncode == 0:
            return None
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines() or ["?"]
        return lines[0]

    @contextlib.contextmanager
    def changed(self, path, text):
        """While it lasts, the file says this."""
        whole = f"{self.root}/{path}"
        kept = whole + ".kept"
        shutil.copy2(whole, kept)
        with open(whole, "w") as file:
            file.write(text)
        try:
            yield
        finally:
            os.replace(kept, whole)
            os.utime(whole) # what was built with the fault is older
