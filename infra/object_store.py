"""The stack's S3 server. It is rclone's, and keeps each object as a file below FOLDER/objects.

    AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... python -m infra.object_store FOLDER PORT

It accepts only that key, on 127.0.0.1. A kill loses nothing that was stored. An object's key cannot be a folder of
another object's key. Conditions such as If-Match are ignored. DVC and MLflow need neither.
"""

import argparse
import os
import sys
from pathlib import Path

# Folders that hold uploads until they are complete. A stored object is never in one.
_UNFINISHED = ".rclone_temp_*"
_OPTIONS = (
    # Parts of an upload that come out of order wait in memory, up to this size.
    "--multipart-streaming-buffer-limit=64M",
    # No read-ahead, because the files are on this machine.
    "--buffer-size=0",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    objects = asked.folder.absolute() / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    for upload in objects.rglob(_UNFINISHED):
        upload.unlink()
    rclone = Path(sys.executable).with_name("rclone")
    # This process becomes rclone, so that its process id is the server's.
    os.execve(rclone, command(asked.folder, asked.port), environment(objects))


def command(folder: Path, port: int) -> list[str]:
    address = f"127.0.0.1:{port}"
    return [
        *("rclone", "serve", "s3", "objects:", f"--addr={address}", f"--cache-dir={folder.absolute() / 'checksums'}"),
        # Web pages of other origins can read nothing, even with the key.
        f"--allow-origin=http://{address}",
        *_OPTIONS,
    ]


def environment(objects: Path) -> dict[str, str]:
    """The user's environment without rclone's variables, and with the server's settings.

    The keys are here, because a command shows in the list of processes. The remote `objects:` is the folder; it keeps
    a checksum beside each file, so that a listing reads no object.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RCLONE_")}
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    return {
        **kept,
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_OBJECTS_TYPE": "hasher",
        "RCLONE_CONFIG_OBJECTS_HASHES": "md5",
        "RCLONE_CONFIG_OBJECTS_REMOTE": str(objects),
        "RCLONE_AUTH_KEY": f'"{key},{secret}"',
    }


if __name__ == "__main__":
    main()
