package iam

import (
	"bytes"
	"encoding/base32"
	"image/png"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// One-time codes follow RFC 6238 as authenticator apps have it: SHA-1, six digits,
// a new code each thirty seconds. Codes are told apart by their step, the number of
// such periods since 1970.
const (
	period   = 30 // seconds
	seedSize = 40 // bytes, as AWS's
	slack    = 1  // steps that a device may be early or late
	maxDrift = 120
)

var codeForm = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

func step(now time.Time) int64 { return now.Unix() / period }

// seedText is a seed as apps take it in.
func seedText(seed []byte) string { return base32.StdEncoding.EncodeToString(seed) }

func codeFits(seed []byte, at int64, code string) bool {
	ok, err := hotp.ValidateCustom(code, uint64(at), seedText(seed), codeForm)
	return ok && err == nil
}

// match is the step of a code that is good now, but not of one up to used.
func match(seed []byte, code string, now, used int64) (at int64, ok bool) {
	for at := max(now-slack, used+1); at <= now+slack; at++ {
		if codeFits(seed, at, code) {
			return at, true
		}
	}
	return 0, false
}

// matchPair is the step of the second of two codes in a row, the second of which is
// good within reach steps of now.
func matchPair(seed []byte, first, second string, now, used, reach int64) (at int64, ok bool) {
	for at := max(now-reach, used+2); at <= now+reach; at++ {
		if codeFits(seed, at-1, first) && codeFits(seed, at, second) {
			return at, true
		}
	}
	return 0, false
}

// qrSize is the width of a QR code's picture, in pixels.
const qrSize = 256

// qrCode is a picture, in PNG, of the address by which apps take a seed in.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html
func qrCode(name, account string, seed []byte) ([]byte, error) {
	k, err := otp.NewKeyFromURL((&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + name + "@" + account,
		RawQuery: url.Values{"secret": {seedText(seed)}, "issuer": {"Tule"}}.Encode()}).String())
	if err != nil {
		return nil, err
	}
	picture, err := k.Image(qrSize, qrSize)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = png.Encode(&out, picture)
	return out.Bytes(), err
}
