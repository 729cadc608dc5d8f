package sdk

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

var pets = API{Name: "pets", InvokeURL: "https://x.execute-api.us-east-1.amazonaws.com/prod", Region: "us-east-1", Methods: []Method{
	{Verb: "GET", Path: "/"},
	{Verb: "GET", Path: "/pets/{petId}", PathParams: []string{"petId"}, Required: []string{"petId"}, Query: []string{"full"}, Signed: true},
	{Verb: "POST", Path: "/pets", Operation: "Add pet", Body: true},
	{Verb: "PUT", Path: "/pets", Operation: "AddPet"},
	{Verb: "ANY", Path: "/{proxy+}"},
	{Verb: "GET", Path: "/1-2/3"},
}}

func TestNames(t *testing.T) {
	var got []string
	for _, n := range names(pets.Methods) {
		got = append(got, n.Name)
	}
	if text := strings.Join(got, " "); text != "rootGet petsPetIdGet addPet addPet2 proxyAny rootGet2" {
		t.Errorf("the functions are %s", text)
	}
}

func TestJavaScript(t *testing.T) {
	b, err := JavaScript(pets, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	client := files["apiGateway-js-sdk/apigClient.js"]
	for _, want := range []string{`apigClient["petsPetIdGet"]`, `path: "/pets/{petId}", auth: 'AWS_IAM'`, `required: ["petId"]`, `invokeUrl: "https://x.execute-api`} {
		if !strings.Contains(client, want) {
			t.Errorf("the client has no %s:\n%s", want, client)
		}
	}
	if readme := files["apiGateway-js-sdk/README.md"]; !strings.Contains(readme, "| `addPet` | `POST /pets` | `body` |") {
		t.Errorf("the readme is\n%s", readme)
	}
	for _, name := range []string{"sha256", "utils", "sigV4Client", "simpleHttpClient", "apiGatewayClient"} {
		if files["apiGateway-js-sdk/lib/apiGatewayCore/"+name+".js"] == "" {
			t.Errorf("there is no %s.js", name)
		}
	}
}

// What an API's owner writes cannot leave its place in the script.
func TestLiteral(t *testing.T) {
	text, err := literal("\"'</script>\u2028\n`${x}")
	if err != nil || strings.ContainsAny(text, "<>\u2028\n") {
		t.Errorf("%s, %v", text, err)
	}
}
