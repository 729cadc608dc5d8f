package s3

import "testing"

func TestWithin(t *testing.T) {
	for host, want := range map[string]string{
		"s3.amazonaws.com":                                  "",
		"s3.eu-west-1.amazonaws.com":                        "",
		"s3-eu-west-1.amazonaws.com":                        "",
		"s3.dualstack.eu-west-1.amazonaws.com":              "",
		"s3.localhost.localstack.cloud":                     "",
		"s3.localhost":                                      "",
		"s3-external-1.amazonaws.com":                       "",
		"photos.s3.amazonaws.com":                           "/photos",
		"photos.s3.eu-west-1.amazonaws.com":                 "/photos",
		"photos.s3-eu-west-1.amazonaws.com":                 "/photos",
		"photos.s3.dualstack.eu-west-1.amazonaws.com":       "/photos",
		"photos.s3-accelerate.amazonaws.com":                "/photos",
		"photos.s3-accelerate.dualstack.amazonaws.com":      "/photos",
		"photos.s3.cn-north-1.amazonaws.com.cn":             "/photos",
		"my.photos.2016.s3.us-west-2.amazonaws.com":         "/my.photos.2016",
		"s3.backups.s3.amazonaws.com":                       "/s3.backups",
		"lambda.s3.amazonaws.com":                           "/lambda",
		"photos.s3.localhost.localstack.cloud":              "/photos",
		"photos.s3.us-east-1.localhost.localstack.cloud":    "/photos",
		"photos.localhost":                                  "/photos",
		"photos.s3-website-us-east-1.amazonaws.com":         "-",
		"photos.s3-website.localhost.localstack.cloud":      "-",
		"lambda.us-east-1.amazonaws.com":                    "-",
		"a1.execute-api.us-east-1.amazonaws.com":            "-",
		"a1.execute-api.localhost":                          "-",
		"localhost":                                         "-",
		"127.0.0.1":                                         "-",
		"example.com":                                       "-",
		"s3.example.com":                                    "-",
		"":                                                  "-",
		".s3.amazonaws.com":                                 "/",
		"sqs.localhost.localstack.cloud":                    "-",
		"photos.s3.not_a_region.localhost.localstack.cloud": "-",
	} {
		folder, ok := Within(host)
		if !ok {
			folder = "-"
		}
		if folder != want {
			t.Errorf("%s: %q, want %q", host, folder, want)
		}
	}
}
