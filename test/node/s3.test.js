// S3 by aws-sdk v3 and v2: uploads in parts, and URLs and forms that others may use.
"use strict";
const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { Readable } = require("node:stream");
const { after, before, test } = require("node:test");
const AWS = require("aws-sdk");
const s3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const { start } = require("./house.js");

const body = crypto.createHash("sha256").update("seed").digest("hex").repeat(181_000).slice(0, 11 << 20);
const key = "dir/a b+ü?.txt";
let house, v2, v3;
before(async () => {
  house = await start();
  const options = { endpoint: house.url, region: "eu-west-1" };
  const credentials = { accessKeyId: "444444444444", secretAccessKey: "any" };
  v3 = new s3.S3Client({ ...options, credentials, forcePathStyle: true, maxAttempts: 1 });
  v2 = new AWS.S3({ ...options, ...credentials, s3ForcePathStyle: true, signatureVersion: "v4", maxRetries: 0 });
  await v3.send(new s3.CreateBucketCommand({ Bucket: "three" }));
  await v2.createBucket({ Bucket: "two" }).promise();
});
after(() => house.stop());

const sent = async (url, init) => {
  const answer = await fetch(url, init);
  return [answer.status, await answer.text(), answer.headers];
};

test("v3 uploads a stream in parts, and reads a range of it", async () => {
  const done = await new Upload({ client: v3, partSize: 5 << 20, queueSize: 3, params: { Bucket: "three", Key: key, Body: Readable.from([Buffer.from(body)]), Metadata: { who: "me" } } }).done();
  assert.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
  const got = await v3.send(new s3.GetObjectCommand({ Bucket: "three", Key: key, Range: "bytes=5242870-5242889" }));
  assert.equal(await got.Body.transformToString(), body.slice(5242870, 5242890));
  assert.equal(got.Metadata.who, "me");
  const second = await v3.send(new s3.HeadObjectCommand({ Bucket: "three", Key: key, PartNumber: 3 }));
  assert.equal(`${second.ContentLength} ${second.PartsCount}`, `${1 << 20} 3`);
  const abandoned = await v3.send(new s3.CreateMultipartUploadCommand({ Bucket: "three", Key: "never" }));
  await v3.send(new s3.UploadPartCommand({ Bucket: "three", Key: "never", UploadId: abandoned.UploadId, PartNumber: 1, Body: "x" }));
  await v3.send(new s3.AbortMultipartUploadCommand({ Bucket: "three", Key: "never", UploadId: abandoned.UploadId }));
  await assert.rejects(v3.send(new s3.ListPartsCommand({ Bucket: "three", Key: "never", UploadId: abandoned.UploadId })), s3.NoSuchUpload);
});

test("v3 signs URLs for others to put and to get by", async () => {
  const put = await getSignedUrl(v3, new s3.PutObjectCommand({ Bucket: "three", Key: "by url", ContentType: "text/x" }), { expiresIn: 60, signableHeaders: new Set(["content-type"]) });
  assert.equal((await sent(put, { method: "PUT", body: "hello", headers: { "Content-Type": "text/x" } }))[0], 200);
  const get = await getSignedUrl(v3, new s3.GetObjectCommand({ Bucket: "three", Key: "by url", ResponseContentDisposition: "attachment" }), { expiresIn: 60 });
  const [status, text, headers] = await sent(get);
  assert.equal(`${status} ${text} ${headers.get("content-type")} ${headers.get("content-disposition")}`, "200 hello text/x attachment");
  const late = new URL(get);
  late.searchParams.set("X-Amz-Date", "20200101T000000Z");
  assert.equal((await sent(late))[0], 403);
});

test("v2 uploads in parts, and signs URLs and forms", async () => {
  const done = await v2.upload({ Bucket: "two", Key: key, Body: Buffer.from(body) }, { partSize: 5 << 20, queueSize: 2 }).promise();
  assert.match(done.ETag, /-3"$/);
  const got = await v2.getObject({ Bucket: "two", Key: key }).promise();
  assert.ok(got.Body.equals(Buffer.from(body)));
  const put = v2.getSignedUrl("putObject", { Bucket: "two", Key: "by url", Expires: 60 });
  assert.equal((await sent(put, { method: "PUT", body: "hello" }))[0], 200);
  const get = v2.getSignedUrl("getObject", { Bucket: "two", Key: "by url", Expires: 60 });
  assert.deepEqual((await sent(get)).slice(0, 2), [200, "hello"]);
  const old = new AWS.S3({ endpoint: house.url, region: "us-east-1", accessKeyId: "444444444444", secretAccessKey: "any", s3ForcePathStyle: true, signatureVersion: "v2" });
  assert.deepEqual((await sent(old.getSignedUrl("getObject", { Bucket: "two", Key: "by url", Expires: 60 }))).slice(0, 2), [200, "hello"]);
  const form = v2.createPresignedPost({ Bucket: "two", Fields: { key: "form/${filename}" }, Conditions: [["starts-with", "$key", "form/"], ["content-length-range", 1, 10]], Expires: 60 });
  const post = (text) => {
    const data = new FormData();
    for (const [name, value] of Object.entries({ ...form.fields, success_action_status: undefined })) if (value !== undefined) data.set(name, value);
    data.set("file", new Blob([text]), "f.txt");
    return sent(form.url, { method: "POST", body: data });
  };
  assert.equal((await post("posted"))[0], 204);
  const [status, text] = await post("more than ten bytes");
  assert.equal(status, 400);
  assert.match(text, /<Code>EntityTooLarge<\/Code>/);
  assert.equal((await v2.getObject({ Bucket: "two", Key: "form/f.txt" }).promise()).Body.toString(), "posted");
});
