// AWS's own validator of SNS's messages, npm's sns-validator: reads messages, one a line,
// and says of each whether it is SNS's. The certificate it fetches by AWS's name.
"use strict";
const readline = require("node:readline");
const Validator = require("sns-validator");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  new Validator().validate(message, (err) => console.log(`${message.Type} v${message.SignatureVersion}: ${err ? err.message : "valid"}`));
});
