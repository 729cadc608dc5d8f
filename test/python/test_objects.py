"""S3 by boto3's transfer manager, the AWS CLI's file commands, s3cmd and rclone."""

import filecmp
import hashlib
import io
import os
import pathlib
import random
import shutil
import subprocess
import urllib.error
import urllib.request

import boto3
import botocore.config
import pytest
from boto3.s3.transfer import TransferConfig

from conftest import REGION

# How many files are carried there and back; `make files` has 10,000.
FILES = int(os.environ.get("TULE_FILES", "100"))

ODD = [
    "plain.txt", "with space", " leading", "trailing ", "ümläut-ñ-Å", "漢字/かな", "emoji-\U0001f600\U0001f468‍\U0001f469", "a+b", "100%25%", "q?x=1&y=2", "hash#tag",
    "semi;colon,comma", "colon:name", "quote'single", 'quote"double', "back\\slash", "[brackets]{braces}", "~tilde`tick^caret|pipe", "<angle>&amp;", "equals=dollar$at@",
    "star*", "!bang", "..dots", "...", "-dash", "--flag", "new\nline", "tab\there", "bell\x07", "deep/er/than/that/file", "é-composed", "é-decomposed", "ﬀ-ligature", "z" * 200, "empty/.keep", "%2F", "%00",
]


def bucket(account, kind):
    name = f"{kind}-{account.number}"
    account.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def paths(account):
    return account.session.client("s3", endpoint_url=account.url, config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


# The sizes of files. AWS's CLI gets none that are empty: it expects a 100 for these, too,
# and without one takes the next answer on its connection for something else.
SIZES = [0, 1, 100, 40_000]


def furnish(root, names, sizes=SIZES):
    """Files of all sizes, a large one among them, with the names and as many more as it takes."""
    chance = random.Random(7)
    every = list(names) + [f"{i % 37:02}/{chance.choice(names).split('/')[0][:100]}-{i}" for i in range(FILES - len(names))]
    for i, name in enumerate(every):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(9 << 20 if i == 1 else chance.choice(sizes)))
        os.utime(path, (1e9, 1e9))  # before its object, whose time has no fraction of a second
    return every


def same(left, right):
    """Whether two folders hold the same files with the same bytes."""
    def walk(root):
        return {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_file()}
    a, b = walk(left), walk(right)
    assert sorted(a) == sorted(b)
    assert [n for n in a if not filecmp.cmp(a[n], b[n], shallow=False)] == []


def test_transfer_manager(account):
    s3, name = paths(account), bucket(account, "transfer")
    body = random.Random(1).randbytes((23 << 20) + 5)
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=5 << 20, max_concurrency=8)
    s3.upload_fileobj(io.BytesIO(body), name, "large", Config=config, ExtraArgs={"Metadata": {"Color": "ü".encode().hex()}, "ContentType": "text/x"})
    head = s3.head_object(Bucket=name, Key="large")
    parts = [hashlib.md5(body[i:i + (5 << 20)]).digest() for i in range(0, len(body), 5 << 20)]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(parts)).hexdigest()}-{len(parts)}"' and head["Metadata"] == {"color": "c3bc"} and head["ContentType"] == "text/x"
    got = io.BytesIO()
    s3.download_fileobj(name, "large", got, Config=config)
    assert got.getvalue() == body
    s3.copy({"Bucket": name, "Key": "large"}, name, "copied", Config=config)
    assert s3.get_object(Bucket=name, Key="copied", Range="bytes=-5")["Body"].read() == body[-5:]
    resource = account.session.resource("s3", endpoint_url=account.url).Bucket(name)
    assert {o.key: o.size for o in resource.objects.all()} == {"large": len(body), "copied": len(body)}
    resource.objects.delete()
    assert list(resource.objects.all()) == [] and list(resource.multipart_uploads.all()) == []
    resource.delete()


def test_every_byte_in_keys(account):
    s3, name = paths(account), bucket(account, "bytes")
    keys = [f"k{chr(c)}k" for c in range(1, 256)] + ["/", "//", "a//b", "a/./b", "a/../b", ".", "..", "/lead", "trail/", "\uffff", "\U0010ffff", "k" * 1024]
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name, PaginationConfig={"PageSize": 50}) for o in page["Contents"]]
    assert listed == sorted(keys, key=str.encode)
    for key in keys:
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == key.encode()
    # In XML not every character can be said.
    sayable = [k for k in keys if k != "\uffff" and (min(k) >= " " or min(k) in "\t\n\r")]
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": k} for k in sayable]})
    assert sorted(d["Key"] for d in gone["Deleted"]) == sorted(sayable) and "Errors" not in gone
    left = s3.list_objects_v2(Bucket=name)["Contents"]
    assert sorted(o["Key"] for o in left) == sorted(set(keys) - set(sayable))


def test_presigned(account):
    s3, name = paths(account), bucket(account, "presigned")
    put = s3.generate_presigned_url("put_object", {"Bucket": name, "Key": "ü +/k", "ContentType": "text/y"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(put, b"presigned", {"Content-Type": "text/y"}, method="PUT")).close()
    get = s3.generate_presigned_url("get_object", {"Bucket": name, "Key": "ü +/k", "ResponseContentType": "text/z"})
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"presigned" and answer.headers["Content-Type"] == "text/z"
    post = s3.generate_presigned_post(name, "form/${filename}", Fields={"acl": "private"}, Conditions=[{"acl": "private"}, ["starts-with", "$key", "form/"]])
    lines = []
    for k, v in post["fields"].items():
        lines.append(f'--X\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n')
    body = "".join(lines) + '--X\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nposted\r\n--X--\r\n'
    with urllib.request.urlopen(urllib.request.Request(post["url"], body.encode(), {"Content-Type": "multipart/form-data; boundary=X"})) as answer:
        assert answer.status == 204
    assert s3.get_object(Bucket=name, Key="form/a.txt")["Body"].read() == b"posted"
    printed = account.aws("s3", "presign", f"s3://{name}/form/a.txt").strip()
    with urllib.request.urlopen(printed) as answer:
        assert answer.read() == b"posted"


def test_cli(account, tmp_path):
    name = f"cli-{account.number}"
    account.aws("s3", "mb", f"s3://{name}")
    assert name in account.aws("s3", "ls")
    there, back = tmp_path / "there", tmp_path / "back"
    files = furnish(there, [n for n in ODD if "\n" not in n], SIZES)
    account.aws("s3", "sync", there, f"s3://{name}/tree", "--only-show-errors")
    assert len(account.aws("s3", "ls", f"s3://{name}/tree/", "--recursive").splitlines()) == len(files)
    account.aws("s3", "sync", f"s3://{name}/tree", back, "--only-show-errors")
    same(there, back)
    assert account.aws("s3", "sync", there, f"s3://{name}/tree") == "", "the second time there is nothing to do"
    (there / "with space").unlink()
    (there / "plain.txt").write_text("changed, and longer than ever")
    said = account.aws("s3", "sync", there, f"s3://{name}/tree", "--delete", "--no-progress")
    assert sorted(line.split(":")[0] for line in said.splitlines()) == ["delete", "upload"]
    account.aws("s3", "cp", f"s3://{name}/tree/plain.txt", f"s3://{name}/copied +ü")
    assert account.aws("s3", "cp", f"s3://{name}/copied +ü", "-") == "changed, and longer than ever"
    account.aws("s3", "cp", "-", f"s3://{name}/piped", stdin="from a pipe")
    account.aws("s3", "mv", f"s3://{name}/piped", f"s3://{name}/moved")
    assert account.aws("s3", "cp", f"s3://{name}/moved", "-") == "from a pipe"
    assert "BucketNotEmpty" in account.aws("s3", "rb", f"s3://{name}", status=1)
    account.aws("s3", "rm", f"s3://{name}", "--recursive", "--only-show-errors")
    account.aws("s3", "rb", f"s3://{name}")
    assert "NoSuchBucket" in account.aws("s3", "ls", f"s3://{name}", status=255)


def tool(name):
    if not shutil.which(name):
        pytest.skip(f"there is no {name} here (make files fetches it)")


def ran(env, *args):
    """What a command printed, and what it warned of."""
    done = subprocess.run([*map(str, args)], env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **env}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{args}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout, done.stderr


def run(env, *args):
    return ran(env, *args)[0]


def test_s3cmd(account, tmp_path):
    tool("s3cmd")
    address, name = account.url.removeprefix("http://"), f"s3cmd-{account.number}"
    config = tmp_path / "config"
    config.write_text(f"[default]\naccess_key = {account.number}\nsecret_key = any\nhost_base = {address}\nhost_bucket = {address}\nuse_https = False\nbucket_location = {REGION}\n")

    def s3cmd(*args):
        return run({"HOME": str(tmp_path)}, "s3cmd", "-c", config, "--no-progress", *args)
    s3cmd("mb", f"s3://{name}")
    there, back = tmp_path / "there", tmp_path / "back"
    files = furnish(there, [n for n in ODD if not set(n) & set("\n\t\x07")])
    back.mkdir()
    s3cmd("sync", f"{there}/", f"s3://{name}/tree/")
    assert len(s3cmd("ls", "--recursive", f"s3://{name}").splitlines()) == len(files)
    s3cmd("sync", f"s3://{name}/tree/", f"{back}/")
    same(there, back)
    assert "upload:" not in s3cmd("sync", f"{there}/", f"s3://{name}/tree/")
    s3cmd("cp", f"s3://{name}/tree/plain.txt", f"s3://{name}/copied")
    assert "MD5 sum" in s3cmd("info", f"s3://{name}/copied")
    s3cmd("setacl", "--acl-private", f"s3://{name}/copied")
    s3cmd("del", "--recursive", "--force", f"s3://{name}")
    s3cmd("rb", f"s3://{name}")


# rclone lists a whole tree without a delimiter. By ListObjects, where S3 then gives no
# NextMarker, it takes a page's last key for one and decodes that key in place, and then
# once more with the others: 100%25%-7089, which cannot be decoded again, is left out with
# a notice, and a+b becomes "a b". ListObjectsV2 has tokens instead.
V2 = "--s3-list-version", "2"


def rclone_for(account):
    settings = {"type": "s3", "provider": "Other", "endpoint": account.url, "access_key_id": account.number, "secret_access_key": "any",
                "region": REGION, "location_constraint": REGION, "force_path_style": "true",
                "list_url_encode": "true"}  # there are keys that XML cannot say
    env = {"HOME": "/nonexistent", **{f"RCLONE_CONFIG_TULE_{k.upper()}": v for k, v in settings.items()}}
    # Of two names that differ in the form of an é only, rclone would else ignore one.
    return lambda *args: ran(env, "rclone", "--config", "/dev/null", "--retries", "1", "--no-unicode-normalization", *args)


def test_rclone(account, tmp_path):
    tool("rclone")
    name = f"rclone-{account.number}"

    def rclone(*args):
        return rclone_for(account)(*args)[0]
    rclone("mkdir", f"tule:{name}")
    there, back = tmp_path / "there", tmp_path / "back"
    files = furnish(there, ODD)
    rclone("sync", there, f"tule:{name}/tree", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M")
    assert len(rclone("lsf", "-R", "--files-only", "--format", "s", *V2, f"tule:{name}").splitlines()) == len(files)
    rclone("check", there, f"tule:{name}/tree", "--download")
    rclone("sync", f"tule:{name}/tree", back)
    same(there, back)
    # Times are kept as metadata: nothing is sent again, and what changed is.
    (there / "plain.txt").write_text("changed, and longer than ever")
    (there / "with space").unlink()
    rclone("sync", there, f"tule:{name}/tree")
    assert rclone("cat", f"tule:{name}/tree/plain.txt") == "changed, and longer than ever"
    assert "with space" not in rclone("lsf", f"tule:{name}/tree").splitlines()
    rclone("copyto", f"tule:{name}/tree/plain.txt", f"tule:{name}/copied")
    rclone("moveto", f"tule:{name}/copied", f"tule:{name}/moved")
    assert rclone("size", f"tule:{name}/moved", "--json").count('"count":1') == 1
    rclone("purge", *V2, f"tule:{name}")
    assert name not in rclone("lsd", "tule:")


def test_rclone_pages(account):
    """What rclone makes of the last key of a page, by each kind of list (see V2)."""
    tool("rclone")
    s3, name, rclone = paths(account), bucket(account, "pages"), rclone_for(account)
    keys = ["a", "b+c", "d", "e%41", "f", "g%h", "i", "j k", "l"]
    for key in keys:
        s3.put_object(Bucket=name, Key=key)
    marked = s3.list_objects(Bucket=name, MaxKeys=2)
    assert "NextMarker" not in marked and [o["Key"] for o in s3.list_objects(Bucket=name, MaxKeys=2, Marker=marked["Contents"][-1]["Key"])["Contents"]] == keys[2:4]
    for how in ["-R", *V2], [*V2], ["--s3-list-version", "1"]:
        listed, warned = rclone("lsf", "--s3-list-chunk", "2", *how, f"tule:{name}")
        assert listed.splitlines() == keys and warned == ""
    listed, warned = rclone("lsf", "--s3-list-chunk", "2", "-R", "--s3-list-version", "1", f"tule:{name}")
    assert len(listed.splitlines()) + warned.count("failed to URL decode") == len(keys)
