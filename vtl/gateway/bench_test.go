package gateway_test

import (
	"context"
	"testing"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
)

const movies = `{
  "method": "$context.httpMethod",
  "body" : $input.json('$'),
  "headers": {
    #foreach($name in $input.params().header.keySet())
    "$name": "$util.escapeJavaScript($input.params().header.get($name))" #if($foreach.hasNext),#end

    #end
  },
  "queryParams": {
    #foreach($name in $input.params().querystring.keySet())
    "$name": "$util.escapeJavaScript($input.params().querystring.get($name))" #if($foreach.hasNext),#end

    #end
  },
  "pathParams": {
    #foreach($name in $input.params().path.keySet())
    "$name": "$util.escapeJavaScript($input.params().path.get($name))" #if($foreach.hasNext),#end

    #end
  },
  "resourcePath": "$context.resourcePath"
}`

func moviesEvent() *gateway.Event {
	return &gateway.Event{
		Body: `{"title":"Love and Friendship","year":"2016","info":"New from Amazon Studios, starring Kate Beckinsale."}`,
		Header: []gateway.Param{
			{Name: "Accept", Value: "*/*"}, {Name: "Content-Type", Value: "application/json"},
			{Name: "Host", Value: "abc.execute-api.us-west-2.amazonaws.com"}, {Name: "User-Agent", Value: "curl/7.88.1"},
			{Name: "X-Amzn-Trace-Id", Value: "Root=1-58211399-36d08305206fc98706608281"},
			{Name: "X-Forwarded-For", Value: "127.0.0.1"}, {Name: "X-Forwarded-Port", Value: "443"}, {Name: "X-Forwarded-Proto", Value: "https"},
		},
		Context: map[string]any{
			"httpMethod": "POST", "resourcePath": "/movies/add-movie", "stage": "prod", "requestId": "r-1",
			"identity": map[string]any{"sourceIp": "127.0.0.1", "userAgent": "curl/7.88.1"},
		},
		StageVariables: map[string]string{"table": "movies"},
	}
}

// BenchmarkRender is the movies API's template on a request with eight headers.
// The aim is under 20 µs.
func BenchmarkRender(b *testing.B) {
	t, err := vtl.Parse("movies", movies)
	if err != nil {
		b.Fatal(err)
	}
	ev := moviesEvent()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gateway.Render(context.Background(), t, ev, vtl.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := vtl.Parse("movies", movies); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzRender throws bodies, parameters and paths at $input and $util.
func FuzzRender(f *testing.F) {
	f.Add(`{"a":[1,2,{"b":"c"}]}`, "v'\"", "$.a[2].b")
	f.Add(``, "", "$..*")
	f.Add(`a=b&c=%zz`, "\xff\u2028", "$['x']")
	t, err := vtl.Parse("f", `$input.body $input.json($p) $input.path($p) $input.json('$') $util.escapeJavaScript($v) $util.urlEncode($v)$util.base64Decode($util.base64Encode($v)) $util.urlDecode($util.urlEncode($v)) $input.params($v) $input.params()
#set($p = $input.params('p'))#set($v = $input.params('v'))$input.json($p) $input.path($p) $util.escapeJavaScript($v) $util.urlDecode($util.urlEncode($v)) $util.base64Decode($util.base64Encode($v)) $input.path('$.a').b`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, body, v, p string) {
		ev := &gateway.Event{Body: body, Query: []gateway.Param{{Name: "v", Value: v}, {Name: "p", Value: p}}}
		r, err := gateway.Render(context.Background(), t, ev, vtl.Limits{Steps: 50_000, Output: 1 << 20})
		if err == nil && len(r.Body) > 1<<20 {
			panic("too much output")
		}
	})
}
