package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/coder/websocket"

	"github.com/tule-cloud/tule/test/tule"
)

var step = regexp.MustCompile(`(?m)^apigatewayv2 (\S+) (\{.*\})(?: (\w+)=(\w+))?$`)

// Every operation of HTTP and WebSocket APIs that stands, by aws-sdk-go-v2.
func TestHTTPAPIOperations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.config.Region = "us-east-1"
	client := reflect.ValueOf(apigatewayv2.NewFromConfig(c.config))
	text := must(os.ReadFile(filepath.Join(tule.Root(), "test", "every", "steps.txt")))(t)
	var known []string
	for _, s := range step.FindAllStringSubmatch(string(text), -1) {
		call := client.MethodByName(s[1])
		in := reflect.New(call.Type().In(1).Elem())
		if err := json.Unmarshal([]byte(strings.NewReplacer(known...).Replace(s[2])), in.Interface()); err != nil {
			t.Fatalf("%s: %v", s[1], err)
		}
		out := call.Call([]reflect.Value{reflect.ValueOf(ctx), in})
		if err, _ := out[1].Interface().(error); err != nil {
			t.Fatalf("%s: %v", s[1], err)
		}
		if s[3] != "" {
			known = append(known, "{"+s[3]+"}", *out[0].Elem().FieldByName(s[4]).Interface().(*string))
		}
	}
	if len(known) == 0 {
		t.Error("there were no steps")
	}
}

// A function behind an HTTP API: made with quick create, called with the SDK's address.
func TestHTTPAPI(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v2 := apigatewayv2.NewFromConfig(c.config)
	made := must(v2.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("quick"), ProtocolType: types.ProtocolTypeHttp,
		Target: aws.String("arn:aws:lambda:" + region + ":" + c.account + ":function:none")}))(t)
	get := func(path string) (int, string) {
		r := must(http.NewRequest(http.MethodGet, house.URL()+path, nil))(t)
		r.Host = *made.ApiId + ".execute-api." + region + ".amazonaws.com"
		res := must(http.DefaultClient.Do(r))(t)
		defer res.Body.Close()
		return res.StatusCode, string(must(io.ReadAll(res.Body))(t))
	}
	status, body := get("/any")
	equal(t, "a function that is not there", status, 500)
	equal(t, "its answer", body, `{"message":"Internal Server Error"}`)
	_, err := v2.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: made.ApiId, RouteKey: aws.String("$default")})
	fails[*types.ConflictException](t, err, "Route with key $default already exists for this API")
	must(v2.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: made.ApiId}))(t)
	if status, _ := get("/any"); status == 500 {
		t.Error("the API still answers")
	}
}

// A client of a WebSocket API and a back end that writes to it.
func TestWebSocketAPI(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v2 := apigatewayv2.NewFromConfig(c.config)
	made := must(v2.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("chat"), ProtocolType: types.ProtocolTypeWebsocket, RouteSelectionExpression: aws.String("$request.body.action")}))(t)
	mock := must(v2.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: made.ApiId, IntegrationType: types.IntegrationTypeMock,
		RequestTemplates: map[string]string{"$default": `{"statusCode": 200}`}}))(t)
	must(v2.CreateIntegrationResponse(ctx, &apigatewayv2.CreateIntegrationResponseInput{ApiId: made.ApiId, IntegrationId: mock.IntegrationId, IntegrationResponseKey: aws.String("$default"),
		ResponseTemplates: map[string]string{"$default": "$context.connectionId"}}))(t)
	route := must(v2.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: made.ApiId, RouteKey: aws.String("who"), Target: aws.String("integrations/" + *mock.IntegrationId)}))(t)
	must(v2.CreateRouteResponse(ctx, &apigatewayv2.CreateRouteResponseInput{ApiId: made.ApiId, RouteId: route.RouteId, RouteResponseKey: aws.String("$default")}))(t)
	must(v2.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: made.ApiId, StageName: aws.String("dev"), AutoDeploy: aws.Bool(true)}))(t)
	path := "/_aws/execute-api/" + *made.ApiId + "/dev"
	conn, _, err := websocket.Dial(ctx, strings.Replace(house.URL(), "http", "ws", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	read := func() string {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"action": "who"}`)); err != nil {
		t.Fatal(err)
	}
	id := aws.String(read())
	equal(t, "a post", c.manage("PostToConnection", http.MethodPost, path, *id, "hello"), http.StatusOK)
	equal(t, "the message", read(), "hello")
	equal(t, "a look", c.manage("GetConnection", http.MethodGet, path, *id, ""), http.StatusOK)
	equal(t, "an end", c.manage("DeleteConnection", http.MethodDelete, path, *id, ""), http.StatusNoContent)
	if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", err)
	}
	status := 0
	for range 100 {
		if status = c.manage("", http.MethodGet, path, *id, ""); status == http.StatusGone {
			break
		}
		time.Sleep(10 * time.Millisecond) // until Tule has noticed
	}
	equal(t, "later", status, http.StatusGone)
}

// manage calls an operation on a connection, signed as an SDK does it.
func (c *cloud) manage(operation, verb, path, connection, body string) int {
	c.Helper()
	r := must(http.NewRequest(verb, house.URL()+path+"/@connections/"+url.PathEscape(connection), strings.NewReader(body)))(c)
	sum := sha256.Sum256([]byte(body))
	who := must(c.config.Credentials.Retrieve(ctx))(c)
	if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "execute-api", region, time.Now()); err != nil {
		c.Fatal(err)
	}
	res := must(http.DefaultClient.Do(r))(c)
	defer res.Body.Close()
	if res.StatusCode < 300 {
		answered.Store("ApiGatewayManagementApi "+operation, true)
	}
	return res.StatusCode
}
