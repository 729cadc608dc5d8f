// SHA-256 and HMAC by FIPS 180-4 and RFC 2104, of bytes. Pages that are served by
// plain HTTP have no crypto.subtle.

var apiGateway = apiGateway || {};
apiGateway.core = apiGateway.core || {};

apiGateway.core.sha256 = (function () {
  var constants = [], initial = [];
  (function () { // the fractions of the cube and square roots of the first primes
    for (var n = 2; constants.length < 64; n++) {
      var prime = true;
      for (var d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
      if (!prime) continue;
      if (initial.length < 8) initial.push((Math.sqrt(n) % 1) * 4294967296 | 0);
      constants.push((Math.cbrt(n) % 1) * 4294967296 | 0);
    }
  })();

  function rotate(x, n) { return x >>> n | x << 32 - n; }

  function compress(state, block) {
    var w = new Array(64), i;
    for (i = 0; i < 16; i++) w[i] = block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    for (; i < 64; i++) {
      var s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >>> 3;
      var s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >>> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
    }
    var v = state.slice();
    for (i = 0; i < 64; i++) {
      var e = v[4], a = v[0];
      var t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & v[5] ^ ~e & v[6]) + constants[i] + w[i] | 0;
      var t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & v[1] ^ a & v[2] ^ v[1] & v[2]) | 0;
      v = [t1 + t2 | 0, a, v[1], v[2], v[3] + t1 | 0, e, v[5], v[6]];
    }
    for (i = 0; i < 8; i++) state[i] = state[i] + v[i] | 0;
  }

  function digest(bytes) {
    var length = bytes.length, padded = new Uint8Array((length + 9 + 63 >> 6) << 6), state = initial.slice(), out = new Uint8Array(32), i;
    padded.set(bytes);
    padded[length] = 0x80;
    var bits = length * 8;
    for (i = 0; i < 8; i++) padded[padded.length - 1 - i] = Math.floor(bits / Math.pow(256, i)) & 255;
    for (i = 0; i < padded.length; i += 64) compress(state, padded.subarray(i, i + 64));
    for (i = 0; i < 32; i++) out[i] = state[i >> 2] >>> 24 - 8 * (i & 3);
    return out;
  }

  function concat(a, b) {
    var out = new Uint8Array(a.length + b.length);
    out.set(a);
    out.set(b, a.length);
    return out;
  }

  function bytesOf(v) { return typeof v === 'string' ? new TextEncoder().encode(v) : v; }

  function hmac(key, message) {
    key = bytesOf(key);
    if (key.length > 64) key = digest(key);
    var inner = new Uint8Array(64).fill(0x36), outer = new Uint8Array(64).fill(0x5c);
    for (var i = 0; i < key.length; i++) {
      inner[i] ^= key[i];
      outer[i] ^= key[i];
    }
    return digest(concat(outer, digest(concat(inner, bytesOf(message)))));
  }

  function hex(bytes) {
    return Array.prototype.map.call(bytes, function (b) { return (b < 16 ? '0' : '') + b.toString(16); }).join('');
  }

  return {digest: function (v) { return digest(bytesOf(v)); }, hmac: hmac, hex: hex};
})();
