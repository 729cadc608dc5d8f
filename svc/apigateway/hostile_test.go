package apigateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// rude is a back end that speaks as its paths say, and no better HTTP than that.
type rude struct {
	net.Listener
	asked atomic.Int64
	hang  chan struct{}
}

var rudeness = map[string]string{
	"/short":    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
	"/long":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello, and more than was said",
	"/lengths":  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
	"/chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
	"/redirect": "HTTP/1.1 302 Found\r\nLocation: /redirect\r\nContent-Length: 0\r\n\r\n",
	"/flood":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 100) + "Content-Length: 0\r\n\r\n",
	"/noise":    "\x16\x03\x01 this is no HTTP\r\n\r\n",
	"/silent":   "",
	"/split":    "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
	"/status":   "HTTP/1.1 99999 Odd\r\nContent-Length: 0\r\n\r\n",
}

func newRude(t *testing.T) *rude {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rude{Listener: l, hang: make(chan struct{})}
	t.Cleanup(func() { close(r.hang); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.answer(c)
		}
	}()
	return r
}

func (r *rude) answer(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	line, _ := in.ReadString('\n')
	for {
		if rest, err := in.ReadString('\n'); err != nil || rest == "\r\n" {
			break
		}
	}
	r.asked.Add(1)
	path := strings.Fields(line + " - -")[1]
	switch path {
	case "/hang":
		<-r.hang
	case "/drip":
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
		<-r.hang
	default:
		_, _ = io.WriteString(c, rudeness[path])
	}
}

// Whatever a back end does, its caller gets an answer, and the next caller another.
func TestRudeBackEnds(t *testing.T) {
	st, back := newStand(t), newRude(t)
	lent := Transport()
	defer lent.CloseIdleConnections()
	st.HTTP, st.Rate = lent, 0
	st.must(t, st.deploy(t, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/{how}": {"get": {"responses": {}, "parameters": [{"name": "how", "in": "path", "required": true, "type": "string"}],
		"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://`+back.Addr().String()+`/{how}", "requestParameters": {"integration.request.path.how": "method.request.path.how"}}}}}}`, "prod"))
	const failed = `500 {"message":"Internal server error"}`
	for path, want := range map[string]string{"/short": failed, "/long": "200 hello", "/lengths": failed, "/chunk": failed, "/redirect": "302 ", "/flood": failed,
		"/noise": failed, "/silent": failed, "/split": "200 ok", "/status": failed} {
		for range 2 {
			before := back.asked.Load()
			w := httptest.NewRecorder()
			st.handler.ServeHTTP(w, st.request(t, "GET", "/prod"+path, ""))
			if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != want {
				t.Errorf("%s: %s", path, got)
			}
			if n := back.asked.Load() - before; path == "/redirect" && (n != 1 || w.Header().Get("Location") != "/redirect") {
				t.Errorf("a redirect was followed: %d requests, %v", n, w.Header())
			}
		}
	}
	for _, path := range []string{"/hang", "/drip"} {
		w, before, done := httptest.NewRecorder(), back.asked.Load(), make(chan struct{})
		go func() {
			defer close(done)
			st.handler.ServeHTTP(w, st.request(t, "GET", "/prod"+path, ""))
		}()
		for back.asked.Load() == before { // until it is there
			time.Sleep(time.Millisecond)
		}
		st.house.Clock.Advance(30 * time.Second)
		<-done
		if w.Code != 504 || w.Body.String() != `{"message":"Endpoint request timed out"}` {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// A template that would run for ages ends as a failure of the API's.
func TestEndlessTemplates(t *testing.T) {
	for _, template := range []string{
		`#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#foreach($d in [1..1000])#if(1 == 2)#end#end#end#end#end`,
		`#set($x = 'x')#foreach($i in [1..1000])#set($x = \"$x$x\")#end$x`,
		`#set($e = '#evaluate($e)')#evaluate($e)`,
	} {
		st := newStand(t)
		st.must(t, st.deploy(t, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock",
			"requestTemplates": {"application/json": "`+template+`"}, "responses": {"default": {"statusCode": "200"}}}}}}}`, "prod"))
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod", ""))
		if w.Code != 500 {
			t.Errorf("%s: %d %.100s", template, w.Code, w.Body)
		}
	}
}

// Of 100,000 API keys each opens what it is for, and all are listed page by page.
func TestManyKeys(t *testing.T) {
	const many, lot = 100_000, 5_000
	st := newStand(t)
	st.Rate = 0
	ctx := st.house.Context(t.Context())
	st.must(t, st.deploy(t, `{"swagger": "2.0", "info": {"title": "t"}, "securityDefinitions": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
		"paths": {"/pets": {"get": {"responses": {}, "security": [{"api_key": []}], "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back/"}}}}}`, "prod"))
	st.must(t, st.subscribe(t, "prod", "the-first-key-0123456789", "{}"))
	plan := st.plan
	at := scope(ctx)
	for from := 0; from < many; from += lot {
		st.must(t, st.Store.Update(ctx, func(tx store.Tx) error {
			for i := from; i < from+lot; i++ {
				id, value := fmt.Sprintf("k%08d", i), fmt.Sprintf("value-of-key-%08d", i)
				if err := apiKeys.Put(tx, at, api.ApiKey{Id: &id, Name: &id, Value: &value, Enabled: ptr(true)}, id); err != nil {
					return err
				}
				if err := keyValues.Put(tx, at, id, value); err != nil {
					return err
				}
				if err := keyPlans.Put(tx, at, true, id, plan); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for i := 0; i < many; i += 997 {
		r := st.request(t, "GET", "/prod/pets", "")
		r.Header.Set("X-Api-Key", fmt.Sprintf("value-of-key-%08d", i))
		w := httptest.NewRecorder()
		if st.handler.ServeHTTP(w, r); w.Code != 200 {
			t.Fatalf("key %d: %d %s", i, w.Code, w.Body)
		}
	}
	seen, position := 0, (*string)(nil)
	for {
		out, err := api.GetApiKeys.Do(ctx, st.house, &api.GetApiKeysRequest{Limit: ptr(int32(500)), Position: position})
		st.must(t, err)
		if seen += len(out.Items); aws.Value(out.Position) == "" {
			break
		}
		position = out.Position
	}
	if seen != many+1 {
		t.Errorf("%d keys are listed", seen)
	}
}

// An API of 10,000 resources is imported, deployed, listed and served.
func TestManyResources(t *testing.T) {
	st := newStand(t)
	st.Rate = 0
	var paths []string
	for i := range 99 {
		for j := range 100 {
			paths = append(paths, fmt.Sprintf(`"/group%d/thing%d": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back/%d/%d"}}}`, i, j, i, j))
		}
	}
	st.must(t, st.deploy(t, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {`+strings.Join(paths, ",")+`}}`, "prod"))
	for i := 0; i < 9_900; i += 1111 {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", fmt.Sprintf("/prod/group%d/thing%d", i/100, i%100), ""))
		if want := fmt.Sprintf("GET back /%d/%d\n", i/100, i%100); w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	ctx, seen, position := st.house.Context(t.Context()), 0, (*string)(nil)
	for {
		out, err := api.GetResources.Do(ctx, st.house, &api.GetResourcesRequest{RestApiId: &st.apiID, Limit: ptr(int32(500)), Position: position})
		st.must(t, err)
		if seen += len(out.Items); aws.Value(out.Position) == "" {
			break
		}
		position = out.Position
	}
	if seen != 10_000 {
		t.Errorf("%d resources are listed", seen)
	}
}
