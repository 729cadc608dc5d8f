package sts_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"sync"
)

// rsaKey is a key of 2,048 bits for tests. They are the same every time, so that what
// a fuzzing process makes of them is a text to another, too.
func rsaKey(n int) *rsa.PrivateKey { return rsaKeys()[n] }

var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i, text := range testKeys {
		der, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			keys[i], err = x509.ParsePKCS1PrivateKey(der)
		}
		if err != nil {
			panic(err)
		}
	}
	return keys
})

// testKeys are keys in base64, known to everybody.
var testKeys = [2]string{
	"MIIEogIBAAKCAQEAtoa21ZtO/H0Pcg5tHdwvlunP/6aY52BuNYEUgsgPokmYqvfZPxsykYTgZSjbkOaw1zZbMOcbSBbkcff+D3ANRFGOziIrQKEjXfvZbRG7" +
		"kJYqKQRpoaCtCQpAWfj/CaGurRAeP0+Is9X56cunaW0dNKnVOYp3g6m1HaP5UZTT7LAyTHeH//kv9SV2oPivVOA74/ythPkOVMKMQ8FxpS/XBbZFCGarMLbk" +
		"XWxBtVbsFj0+JQBngcGa4fcQ1Es6XAWRx6MbiJUtkohQZ3IKHh0gb8HjGEehYEdzjpKWeU4LpoFeiGTttivvplUndO/Sunu1931hJhUUQx4qkKSJV0MARQID" +
		"AQABAoIBAARjTa7p6mawfPgRd7cRjYVTvp/XOfLKAyw/G6afN5z/pu9pQOw+86LC7oAQEOM1YIfz8xJEZAgCIODKhO2LFI6RZVz4PlDx7r86KDpyhC9QJNhS" +
		"llV/3tkKSYzAKyVooSHg8tEz0MX9/WGM90vWBy82a/1TolbkdAmv4PUAnm2grlergA3Ac7k5qI+wk3rdXu8HH39B9ZG6cV89TsRgltuHYmXiG6IBy4+Dta49" +
		"7XHM6AdFclc+J84NBhN+bU5iZAnpUH3QIzAYmWuftrfdnV5jzP2h0uuHmjgIVCtaq6W5c5O1fr7W8RmQNlVC4tcw6F0WV9GqYbInIb9Lu2EuciECgYEA0+Jj" +
		"gK8O+GgxcfbYAehkalFVPR+wz2MaGL20tkgPfRoiQmtd7ffrE9PPsqOgHvmwZsfmJCC7sBVzS2UTL8nSijHy2yWrenWkCet+HCH67BM39MzUwXd5JblFbBq9" +
		"MJuDaARFz7Ibf71XZUIocQTxaAUz4bjRQclJNWJx25dhDjECgYEA3IeDnx7JUTHl1c+4qFCkJgB8no/HqifYiAx6vDo2+u0+t0G3AUkjTa8vApspUzValDor" +
		"9MkEHz+/I9ZRLZ4xAtLO0Ke0pattqAWjxHTO5CxAljyxQvg9FJ2PbYdLjeDPcT/yMlqPBnRa9lyArswV9ED6oAEYtD9dOGGMLl95alUCgYBlpNHU9qW41sr5" +
		"f9AJwkEBm7jHVL+ODV2EhuT9GL6NZg8PS9BIi0jzPwYBDWuP0HomJDksFaPUCcZAYeF9aFUexG1bYcvMOEkUFStvNYHY5DNQtT5O/RBZ33IFNSKTAddc+8e9" +
		"phR5CAy336/k39kq7GwCGZYQ+A2tlWdHT2xY0QKBgBeO3m+sIUNsOio6E3bfjnmEyctCfsjdktMNyjq7WU46890txvf7MStGUJZNrv91jqSRBksTAj64V5nj" +
		"di6SXJf5nyBJGhIsmv09BP6in8teMtQZzbHixNuj7UN9FYQlhOOLOjtI00iUO3df8Fs78Ah0vJFFLLdsoW+5c/ksN9M1AoGAfrdfHQlH1R+QVBkJRJaNyFVT" +
		"8LNwSP529jQq27qQqNZAWf/jJswXZFA9cpWSNOkFflezvi/6K+lYzvdarG2XJQrsXX/ISkiq1Oue1VA4LSMEDaNokvlqyHMA/IRuNICuzC7F+Kgo0k0ITRFj" +
		"SQm+iPZ/KJQr8rb93t1XQfNP6TQ=",
	"MIIEogIBAAKCAQEA2NvvyotqE3erBTiib9PVEgcwNGoHP7qhMJIPSN1VRsJ4rkW45eJ5uj9qW49suGYvZXaM4GuOuVZKMz9g9lR6nALkqNFAS5YTa8NB7uKk" +
		"HJEnX99D1Q/LlBurmE2iZ2RxJtOJVttmUDzb0xJd/mZfgWXdvKjRXJC7dMXlPUWPYxHxrky80HnqGAgTuOmTQT935XWnOTPqHjFxS5hNvs2O2IFTc9oPkjzR" +
		"/okozIruByfBukBUfwPj+K1BS+boCGgE6gCi2LMSrl+O7w91UKcHxvvOCXzXUdtFdQqsfaeUZU7mT0NrOIZmHOguBxF1K8v0kNi5hTgcTHUML+wrvBfSOQID" +
		"AQABAoIBACSvuHZMdYqLkRwWA6zlakNdgfMsCMPoP8Kmwv0xrG6HEcFxvCDv2mX+unB46AyeBOCmWJjSuVdzWKQo0a96hS+Fccd5duYSooB1jN7r6pWGnOGk" +
		"NKaDwI3yzGm8oH/bRyUpXi+aeEmUsh+YGNyj1v5eDFARQzHkrkHIBMsDzIkWvUv+VOhy/i/9VTN5O4pUnz1DpD1x/5OFikdwQTy6l71Ekisc5I6g2THW2bC7" +
		"70UOMyQQI7qcu6G5m+fznIbtD5Q7a9NaJwWFL6ifco7SwyD8a2xyLDTqonzfVj51jrpAByFuyXCUj0t3gerxB2xCbK3K3pYKIbMA1rLiNIJj5V0CgYEA5bqF" +
		"psMSF93vliRWyKMFUS7j9qlJnk8HXrngBLKh7/dSM4H0lTog/xdfgPq1/D55wkzjgSucBPF89QURn0C7gX5XCkSu8V2DLkSX+aYaSgy0YaeuLyzfzZdVvBX8" +
		"svBC9S60XNG6STismc+gABRKqYOhWQU+FXZTSxzq6JKn1LsCgYEA8aimq38gaXHG6KdV7PaQ7wuorQEY8AmCppmyW9H202mvhM9OVnM67igRZhGRtLvgfcUq" +
		"9KaK5KyxZzulRNedleLIyhau/QCv7M3chW1UnDTl27PbEHC+ndCA2FmKeyBVrtMppb+r0AwLbV5f1MssNSJUwwzywmTuhi2DvEdgP5sCgYBrdnpIzR2snnwR" +
		"7wPNrTyygk3PN9ehP3TCIg8iA3HvL/F6+MKx/9QpoARj8GOrEIqikpcl+IFuaoy6jVl19rD/3VrYCdMQQ183CI1TEhlgJFtJB0ha9xHmOXG4n0xrZCreSK/E" +
		"b7NFx0YuWUqOXu+iJloWq3YkUgqaq3dTvi7WOwKBgHXYL4bcFJs3D6+uwnku+BiKT/Ql39pWWO8TbmXWaw5HsH8MdQA1axxuT6W9lZdUMzJB7yOk/4BqMozM" +
		"Clka6E8Ka64ZB7Z7Gk9ZSFuMqEEQjrLn70ECKgJdhid66swGRaJeeSXJ5WgsJ3prFkJ33ZP/rOP9MXjYrXSjR2WOTQJXAoGAaMVQcYC9Z4xqlwTCr3XDTre0" +
		"YgMiGWC+iqlyhytlqf7X+4Kp+peGix/d3ZbB+vLgXjLsOpRA3Q1sKWBr9m1UjeVTYAL5hfTildrGJHKJMicVznc3XcKqwZPdAk7FX0YWcamLQ/udjyAbN58G" +
		"d1kcPIxl7A39gU6F6OtsGeuh9rA=",
}
