"""The stack's S3 server: rclone's, which keeps each object as a file below FOLDER/objects.

    AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... python -m infra.object_store FOLDER PORT

It answers to that key alone, on 127.0.0.1. A kill loses nothing that was stored. No object's key may be the folder of
another's, and conditions such as If-Match are not looked at: neither DVC nor MLflow needs either.
"""

import argparse
import os
import sys
from pathlib import Path

# What holds an upload until it is whole. An object that was stored is never in one.
_UNFINISHED = ".rclone_temp_*"
_OPTIONS = (
    # Parts that come out of order wait in memory: at most so much of an upload.
    "--multipart-streaming-buffer-limit=64M",
    # No reading ahead: the files are on this machine.
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
    # This process becomes rclone, so that what ends it or counts its memory means the server.
    os.execve(rclone, command(asked.folder, asked.port), environment(objects))


def command(folder: Path, port: int) -> list[str]:
    address = f"127.0.0.1:{port}"
    return [
        *("rclone", "serve", "s3", "objects:", f"--addr={address}", f"--cache-dir={folder.absolute() / 'checksums'}"),
        # Pages of other origins read nothing, even if they had the key.
        f"--allow-origin=http://{address}",
        *_OPTIONS,
    ]


def environment(objects: Path) -> dict[str, str]:
    """The user's own, with nothing of the user's rclone. Keys are here, since a command shows in the list of processes.

    `objects:` is the folder with the checksum of each file kept beside it, so that a listing reads no object.
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
