"""Makes a container image for several architectures of static binaries, without a container tool.

    oci.py OUT.tar VERSION ARCH=BINARY...     called by .ci/package

$CA_BUNDLE is put where OpenSSL looks. `podman load -i OUT.tar`, `skopeo copy oci-archive:OUT.tar …` and `docker load`
(25 or newer) read it.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image."


def entry(tar, name, data=None, mode=0o755):
    info = tarfile.TarInfo(name)
    info.mode = mode
    if data is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(data)
    tar.addfile(info, None if data is None else io.BytesIO(data))


def content(path):
    with open(path, "rb") as file:
        return file.read()


def layer(binary):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        bundle = os.environ.get("CA_BUNDLE")
        if bundle:
            for folder in ("etc", "etc/ssl", "etc/ssl/certs"):
                entry(tar, folder)
            entry(tar, "etc/ssl/certs/ca-certificates.crt", content(bundle), 0o644)
        entry(tar, "wsmon", content(binary))
    return out.getvalue()


def main():
    out, version, images = sys.argv[1], sys.argv[2], sys.argv[3:]
    blobs, manifests = {}, []

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}

    for image in images:
        arch, binary = image.split("=", 1)
        name, _, variant = arch.partition("/")
        platform = {"architecture": name, "os": "linux", **({"variant": variant} if variant else {})}
        plain = layer(binary)
        packed = blob("layer.v1.tar+gzip", gzip.compress(plain, 9, mtime=0))
        config = {
            **platform,
            "config": {
                "Entrypoint": ["/wsmon"],
                "User": "65534:65534",
                "StopSignal": "SIGTERM",
                "Labels": {"org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "MIT"},
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": blob("config.v1+json", json.dumps(config).encode()),
            "layers": [packed],
        }
        manifests.append({**blob("manifest.v1+json", json.dumps(manifest).encode()), "platform": platform})
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}
    if len(manifests) > 1:
        index["manifests"] = [blob("index.v1+json", json.dumps(index).encode())]
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "wsmon:" + version}
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        entry(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644)
        entry(tar, "index.json", json.dumps(index).encode(), 0o644)
        entry(tar, "blobs")
        entry(tar, "blobs/sha256")
        for digest, data in sorted(blobs.items()):
            entry(tar, "blobs/sha256/" + digest, data, 0o644)


main()
