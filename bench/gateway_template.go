package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// passing is a template that passes all of a request on, as public ones do.
const passing = `{
  "method": "$context.httpMethod",
  "body" : $input.json('$'),
  "headers": {#foreach($name in $input.params().header.keySet())
    "$name": "$util.escapeJavaScript($input.params().header.get($name))"#if($foreach.hasNext),#end
#end
  },
  "queryParams": {#foreach($name in $input.params().querystring.keySet())
    "$name": "$util.escapeJavaScript($input.params().querystring.get($name))"#if($foreach.hasNext),#end
#end
  },
  "pathParams": {#foreach($name in $input.params().path.keySet())
    "$name": "$util.escapeJavaScript($input.params().path.get($name))"#if($foreach.hasNext),#end
#end
  },
  "resourcePath": "$context.resourcePath"
}`

// benchTemplate is that template on a request of 4 KB, on one processor, against decoding and
// encoding its body by encoding/json.
func benchTemplate(ctx context.Context) ([]row, error) {
	t, err := vtl.Parse("passing", passing)
	if err != nil {
		return nil, err
	}
	var films []string
	for i := range 40 {
		films = append(films, fmt.Sprintf(`{"title":"Film %d","year":%d,"info":{"rating":%d.5,"actors":["A. Actor","B. Actor"],"seen":true}}`, i, 1980+i, i%10))
	}
	body := `{"films":[` + strings.Join(films, ",") + `]}`
	event := &gateway.Event{Body: body, Header: []gateway.Param{{Name: "Accept", Value: "*/*"}, {Name: "Content-Type", Value: "application/json"},
		{Name: "Host", Value: "abc.execute-api.us-east-1.amazonaws.com"}, {Name: "User-Agent", Value: "curl/7.88.1"}},
		Context: map[string]any{"httpMethod": "POST", "resourcePath": "/movies/add-movie"}}
	ours := func(d time.Duration) (float64, error) {
		return rate(ctx, 1, d, func(int, int) error {
			_, err := gateway.Render(ctx, t, event, vtl.Limits{})
			return err
		})
	}
	floor := func(d time.Duration) (float64, error) {
		return rate(ctx, 1, d, func(int, int) error {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				return err
			}
			_, err := json.Marshal(v)
			return err
		})
	}
	a, b, ratio, err := inTurns(5, 400*time.Millisecond, ours, floor)
	if err != nil {
		return nil, err
	}
	return []row{{fmt.Sprintf("template of post 5 on %.1f KB, floor: encoding/json", float64(len(body))/1000), perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "≥ 0.33 ×", ratio >= 1/3.0}}, nil
}
