package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// The function of "Redirection in a Serverless API": a gateway matches the message of the exception, and takes the
// address from what caused it.
const (
	redirectFound = `package HandlerDemo;

public class ResponseFound extends Throwable {
    public ResponseFound(String uri) {
        super(uri);
    }
}
`
	redirectHandler = `package HandlerDemo;

import com.amazonaws.services.lambda.runtime.Context;

public class Redirect {
    public static String myHandler(String request, Context context) throws Exception {
        context.getLogger().log("asked for " + request);
        Redirect.go("http://a-different-uri");
        return "never";
    }

    static void go(String uri) throws Exception {
        throw new Exception(new ResponseFound(uri));
    }

    public static class Typed implements com.amazonaws.services.lambda.runtime.RequestHandler<String, String> {
        @Override public String handleRequest(String request, Context context) {
            try { go(request); } catch (Exception e) { throw new RuntimeException("typed", e.getCause()); }
            return "never";
        }
    }
}
`
)

// reflected are the frames of Java's own reflection, which differ between its versions.
var reflected = regexp.MustCompile(`,"(?:java\.base/|sun\.|java\.)[^"]*"`)

// javaArchive is a zip file as Maven's assembly makes it: classes, and AWS's interfaces in lib.
func javaArchive(t *testing.T, sources map[string]string) []byte {
	t.Helper()
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip("this machine has no JDK to compile the function")
	}
	const core = "aws-lambda-java-core-1.2.3.jar"
	jar, err := filepath.Abs("../.cache/java/" + core)
	if err != nil {
		t.Fatal(err)
	}
	interfaces, err := os.ReadFile(jar)
	if err != nil {
		t.Skip("AWS's interfaces for Java were not fetched: run setup/fetch where Maven is")
	}
	dir := t.TempDir()
	argv := []string{"-source", "8", "-target", "8", "-nowarn", "-Xlint:-options", "-cp", jar, "-d", filepath.Join(dir, "classes")}
	if err := os.Mkdir(filepath.Join(dir, "classes"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range sources {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, path)
	}
	if out, err := exec.Command(javac, argv...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files := []string{"lib/" + core, string(interfaces)}
	classes, err := filepath.Glob(filepath.Join(dir, "classes", "*", "*.class"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range classes {
		name, err := filepath.Rel(filepath.Join(dir, "classes"), path)
		if err != nil {
			t.Fatal(err)
		}
		class, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, name, string(class))
	}
	return zipped(files...)
}

func TestJavaRedirect(t *testing.T) {
	t.Parallel()
	code := javaArchive(t, map[string]string{"ResponseFound.java": redirectFound, "Redirect.java": redirectHandler})
	c := newCloud(t)
	for handler, want := range map[string]string{
		"HandlerDemo.Redirect$Typed": `{"errorMessage":"typed","errorType":"java.lang.RuntimeException","stackTrace":[` +
			`"HandlerDemo.Redirect$Typed.handleRequest(Redirect.java:18)","HandlerDemo.Redirect$Typed.handleRequest(Redirect.java:16)"],` +
			`"cause":{"errorMessage":"http://a-different-uri","errorType":"HandlerDemo.ResponseFound","stackTrace":[` +
			`"HandlerDemo.Redirect.go(Redirect.java:13)","HandlerDemo.Redirect$Typed.handleRequest(Redirect.java:18)",` +
			`"HandlerDemo.Redirect$Typed.handleRequest(Redirect.java:16)"]}}`,
		"HandlerDemo.Redirect::myHandler": `{"errorMessage":"HandlerDemo.ResponseFound: http://a-different-uri","errorType":"java.lang.Exception",` +
			`"stackTrace":["HandlerDemo.Redirect.go(Redirect.java:13)","HandlerDemo.Redirect.myHandler(Redirect.java:8)"],` +
			`"cause":{"errorMessage":"http://a-different-uri","errorType":"HandlerDemo.ResponseFound",` +
			`"stackTrace":["HandlerDemo.Redirect.go(Redirect.java:13)","HandlerDemo.Redirect.myHandler(Redirect.java:8)"]}}`,
	} {
		name := "redirect-" + handler[len("HandlerDemo.Redirect")+1:]
		if name == "redirect-:myHandler" {
			name = "redirect"
		}
		c.function(name, types.RuntimeJava8, "", func(in *lambda.CreateFunctionInput) {
			in.Handler, in.MemorySize, in.Code = aws.String(handler), aws.Int32(256), &types.FunctionCode{ZipFile: code}
		})
		answer, failure := c.invoke(name, `"http://a-different-uri"`)
		equal(t, "the failure", failure, "Unhandled")
		// How the machine calls a method is its own business.
		equal(t, handler, reflected.ReplaceAllString(answer, ""), want)
	}
}
