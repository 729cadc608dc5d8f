package test

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// ddbSample is the function of AWS's announcement of C#, with the attribute that it needs.
const ddbSample = `
using System;
using System.IO;
using System.Net;
using System.Text;
using Amazon.Lambda.Core;
using Amazon.Lambda.DynamoDBEvents;
using Amazon.Lambda.Serialization.Json;

[assembly: LambdaSerializer(typeof(JsonSerializer))]

namespace DynamoDBStreams
{
	public class DdbSample
	{
		static readonly JsonSerializer json = new JsonSerializer();

		public void ProcessDynamoEvent(DynamoDBEvent dynamoEvent)
		{
			Console.WriteLine($"Beginning to process {dynamoEvent.Records.Count} records...");
			foreach (var record in dynamoEvent.Records)
			{
				Console.WriteLine($"Event ID: {record.EventID}");
				Console.WriteLine($"Event Name: {record.EventName}");
				using (var stream = new MemoryStream())
				{
					json.Serialize(record.Dynamodb, stream);
					Console.WriteLine($"DynamoDB Record:");
					Console.WriteLine(Encoding.UTF8.GetString(stream.ToArray()));
				}
			}
			Console.WriteLine("Stream processing complete.");
		}

		public string Fetch(string url)
		{
			using (var answer = WebRequest.Create(url).GetResponse())
			using (var reader = new StreamReader(answer.GetResponseStream()))
				return ((HttpWebResponse)answer).StatusCode + " " + (reader.ReadToEnd().IndexOf("\"services\"") >= 0);
		}

		public string Endpoint(string path) { return Fetch(Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL") + path); }
	}
}
`

// csharpPackage compiles a source, with the stand-ins for AWS's packages that it is held
// with, as dotnet publish would.
func csharpPackage(t *testing.T, name, source string) []byte {
	t.Helper()
	mcs, err := exec.LookPath("mcs")
	if err != nil {
		t.Skip("C# is compiled with Debian's mono-mcs, which is not here")
	}
	dir := t.TempDir()
	own := filepath.Join(dir, name+".cs")
	if err := os.WriteFile(own, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(tule.Root(), "runtimes/testdata/dotnet/*.cs"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(sources) // Core comes first
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	options := []string{"-nologo", "-nowarn:414", "-target:library"}
	for _, s := range append(sources, own) {
		dll := filepath.Join(dir, strings.TrimSuffix(filepath.Base(s), ".cs")+".dll")
		if out, err := exec.Command(mcs, append(options, "-out:"+dll, s)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		data := must(os.ReadFile(dll))(t)
		must(must(z.Create(filepath.Base(dll)))(t).Write(data))(t)
		options = append(options, "-r:"+dll)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A table's stream feeds a C# function.
func TestCSharpOfTable(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	code := csharpPackage(t, "DynamoDBStreams", ddbSample)
	create := func(name, handler string) {
		c.function(name, types.RuntimeDotnetcore10, "", func(in *lambda.CreateFunctionInput) {
			in.Code.ZipFile, in.Handler = code, aws.String("DynamoDBStreams::DynamoDBStreams."+handler)
			in.Role = aws.String(c.role(name+"-role", "lambda.amazonaws.com", streamExecution))
		})
	}
	create("DdbSample", "DdbSample::ProcessDynamoEvent")
	answer, failure := c.invoke("DdbSample", `{"Records":[]}`)
	equal(t, "the answer to no records", answer+failure, "null")
	comes(t, "the log of no records", func() bool { return slices.Contains(c.lines("DdbSample", "Beginning to process"), "0 records...") })

	arn := c.streamingTable("songs", ddb.StreamViewTypeNewAndOldImages)
	c.putN("songs", "a", "1")
	c.putN("songs", "b", "2")
	c.mapping("DdbSample", arn)
	comes(t, "two records", func() bool {
		return len(c.lines("DdbSample", "Event ID:")) == 2 && len(c.lines("DdbSample", "Stream processing")) >= 2
	})
	equal(t, "the events", strings.Join(c.lines("DdbSample", "Event Name:"), " "), "INSERT INSERT")

	create("wrong", "Sample::ProcessDynamoEvent")
	answer, failure = c.invoke("wrong", `{"Records":[]}`)
	if failure != "Unhandled" || !strings.Contains(answer, "Unable to load type 'DynamoDBStreams.Sample' from assembly 'DynamoDBStreams'.") {
		t.Errorf("a wrong handler: %s %s", failure, answer)
	}

	// What it asks for over HTTP leads to Tule.
	create("endpoint", "DdbSample::Endpoint")
	answer, _ = c.invoke("endpoint", `"/_localstack/health"`)
	equal(t, "the endpoint", answer, `"OK True"`)
	create("fetch", "DdbSample::Fetch")
	answer, _ = c.invoke("fetch", `"http://dynamodb.`+region+`.amazonaws.com/_localstack/health"`)
	equal(t, "a name of AWS's", answer, `"OK True"`)
	answer, _ = c.invoke("fetch", `"https://dynamodb.`+region+`.amazonaws.com/_localstack/health"`)
	equal(t, "a name of AWS's by TLS", answer, `"OK True"`)
}
