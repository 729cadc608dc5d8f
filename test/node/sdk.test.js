// The JavaScript SDK of an API, as a page loads it.
"use strict";
const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const vm = require("node:vm");
const gateway = require("@aws-sdk/client-api-gateway");
const { start } = require("./house.js");

let house, dir;
before(async () => {
  house = await start();
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "tule-sdk-"));
});
after(async () => {
  fs.rmSync(dir, { recursive: true, force: true });
  await house.stop();
});

const answer = '{"name": "$input.params(\'name\')", "q": "$input.params(\'q\')", "account": "$context.identity.accountId", "key": "$context.identity.apiKey"}';
const mock = {
  type: "mock", requestTemplates: { "application/json": '{"statusCode": 200}' },
  responses: { default: { statusCode: "200", responseTemplates: { "application/json": answer } } },
};
const ok = { 200: { description: "ok" } };
const document = {
  swagger: "2.0", info: { title: "pets" },
  securityDefinitions: { sigv4: { type: "apiKey", name: "Authorization", in: "header", "x-amazon-apigateway-authtype": "awsSigv4" }, api_key: { type: "apiKey", name: "x-api-key", in: "header" } },
  paths: {
    "/pets/{name}": {
      get: { parameters: [{ name: "name", in: "path", required: true, type: "string" }, { name: "q", in: "query", type: "string" }], responses: ok, "x-amazon-apigateway-integration": mock },
      post: { security: [{ sigv4: [] }], operationId: "SignedPost", parameters: [{ name: "q", in: "query", type: "string" }], responses: ok, "x-amazon-apigateway-integration": mock },
    },
    "/keyed": { get: { security: [{ api_key: [] }], responses: ok, "x-amazon-apigateway-integration": mock } },
  },
};

test("the JavaScript SDK calls its API", async () => {
  const client = new gateway.APIGatewayClient({ endpoint: house.url, region: "eu-west-1", credentials: { accessKeyId: "444444444444", secretAccessKey: "any" }, maxAttempts: 1 });
  const { id: restApiId } = await client.send(new gateway.ImportRestApiCommand({ body: Buffer.from(JSON.stringify(document)) }));
  await client.send(new gateway.CreateDeploymentCommand({ restApiId, stageName: "prod" }));
  const key = await client.send(new gateway.CreateApiKeyCommand({ name: "k", enabled: true }));
  const plan = await client.send(new gateway.CreateUsagePlanCommand({ name: "p", apiStages: [{ apiId: restApiId, stage: "prod" }] }));
  await client.send(new gateway.CreateUsagePlanKeyCommand({ usagePlanId: plan.id, keyId: key.id, keyType: "API_KEY" }));

  const { body, contentDisposition } = await client.send(new gateway.GetSdkCommand({ restApiId, stageName: "prod", sdkType: "javascript" }));
  assert.match(contentDisposition, /^attachment; filename="javascript_.*\.zip"$/);
  const archive = path.join(dir, "sdk.zip");
  fs.writeFileSync(archive, body);
  assert.equal(spawnSync("python3", ["-m", "zipfile", "-e", archive, dir]).status, 0);

  const page = vm.createContext({ fetch, URL, TextEncoder });
  const root = path.join(dir, "apiGateway-js-sdk"), core = path.join(root, "lib/apiGatewayCore");
  for (const file of ["sha256", "utils", "sigV4Client", "simpleHttpClient", "apiGatewayClient"]) vm.runInContext(fs.readFileSync(path.join(core, file + ".js"), "utf8"), page);
  vm.runInContext(fs.readFileSync(path.join(root, "apigClient.js"), "utf8"), page);

  assert.equal(vm.runInContext("apiGateway.core.sha256.hex(apiGateway.core.sha256.digest('abc'))", page), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const invokeUrl = `${house.url}/_aws/execute-api/${restApiId}/prod`;
  const open = page.apigClientFactory.newClient({ invokeUrl });
  const read = await open.petsNameGet({ name: "a b/ü'(*", q: "x&y" });
  assert.equal(read.status, 200);
  assert.equal(read.data.q, "x&y");
  assert.equal(decodeURIComponent(read.data.name), "a b/ü'(*"); // which templates see as it was sent
  assert.throws(() => open.petsNameGet({}), /Missing required parameters: name/);
  await assert.rejects(open.keyedGet(), (err) => err.response.status === 403 && err.response.data.message === "Forbidden");
  assert.equal((await page.apigClientFactory.newClient({ invokeUrl, apiKey: key.value }).keyedGet()).data.key, key.value);

  await assert.rejects(open.signedPost({ name: "n" }), (err) => err.response.status === 403 && err.response.data.message === "Missing Authentication Token");
  const signed = page.apigClientFactory.newClient({ invokeUrl, accessKey: "444444444444", secretKey: "any", region: "eu-west-1" });
  const written = await signed.signedPost({ name: "a b", q: "ü *" }, { deep: ["ä"] }, { headers: { "X-More": " two  words " } });
  assert.equal(written.data.account, "444444444444");
});

test("an export of the API imports again", async () => {
  const client = new gateway.APIGatewayClient({ endpoint: house.url, region: "eu-west-1", credentials: { accessKeyId: "444444444444", secretAccessKey: "any" }, maxAttempts: 1 });
  const { id: restApiId } = await client.send(new gateway.ImportRestApiCommand({ body: Buffer.from(JSON.stringify(document)) }));
  await client.send(new gateway.CreateDeploymentCommand({ restApiId, stageName: "prod" }));
  for (const [exportType, accepts] of [["swagger", "application/json"], ["swagger", "application/yaml"], ["oas30", "application/json"], ["oas30", "application/yaml"]]) {
    const { body } = await client.send(new gateway.GetExportCommand({ restApiId, stageName: "prod", exportType, accepts, parameters: { extensions: "apigateway" } }));
    const again = await client.send(new gateway.ImportRestApiCommand({ body }));
    const { items } = await client.send(new gateway.GetResourcesCommand({ restApiId: again.id }));
    assert.deepEqual(items.map((r) => [r.path, Object.keys(r.resourceMethods ?? {}).sort().join()]).sort(), [["/", ""], ["/keyed", "GET"], ["/pets", ""], ["/pets/{name}", "GET,POST"]]);
  }
});
