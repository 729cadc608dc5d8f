package cloudwatch

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
)

func TestWidget(t *testing.T) {
	b := newBench(t)
	for _, host := range []string{"a", "b"} {
		for m := range 10 {
			at := b.house.Clock.Now().Add(time.Duration(m-60) * time.Minute)
			_, err := b.putMetricData(b.ctx(), &api.PutMetricDataInput{Namespace: new("shop"), MetricData: []api.MetricDatum{{MetricName: new("m"), Value: new(float64(m * len(host))),
				Timestamp: &at, Dimensions: []api.Dimension{{Name: new("Host"), Value: &host}}}}})
			b.try(err)
		}
	}
	b.put("huge", greatest, -greatest)
	b.put("one", 1)
	draw := func(text string) ([]byte, error) {
		out, err := b.getMetricWidgetImage(b.ctx(), &api.GetMetricWidgetImageInput{MetricWidget: &text})
		if err != nil {
			return nil, err
		}
		return out.MetricWidgetImage, nil
	}
	const lines = `["shop", "m", "Host", "a", {"id": "m1", "color": "#ff0000", "stat": "Maximum", "period": 60}], ["...", "b", {"id": "m2"}], [".", ".", ".", "a"], [{"expression": "m1 + 1", "label": "more", "id": "e"}]`
	for _, text := range []string{
		`{"metrics": [` + lines + `]}`, `{"metrics": [` + lines + `], "title": "shop", "width": 800, "height": 300, "start": "-P1D", "end": "2026-01-02T03:00:00Z", "yAxis": {"left": {"min": 0, "label": "calls"}}}`,
		`{}`, `{"metrics": []}`, `{"metrics": [["shop", "none"]]}`, `{"metrics": [["shop", "one", {"period": 60}]]}`, `{"metrics": [["shop", "huge", {"period": 60, "stat": "Sum"}], [".", "huge", {"period": 60, "stat": "Maximum"}]]}`,
		`{"metrics": [["shop", "m", "Host", "a"]], "width": 1, "height": 1}`, `{"metrics": [["shop", "m", "Host", "a"]], "width": 30, "height": 2000}`,
	} {
		image, err := draw(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := png.Decode(bytes.NewReader(image)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		`{`:                                      "not valid JSON",
		`{"width": 0}`:                           "width and height",
		`{"width": 5000}`:                        "width and height",
		`{"start": "PT1H", "end": "-PT1H"}`:      "start and end",
		`{"start": "yesterday"}`:                 "start and end",
		`{"metrics": [["shop"]]}`:                "element 0 of metrics",
		`{"metrics": [["...", "b"]]}`:            "element 0 of metrics",
		`{"metrics": [["shop", 1]]}`:             "element 0 of metrics",
		`{"metrics": [[{"expression": "1 +"}]]}`: "Error in expression",
		`{"metrics": [["shop", "m", {"stat": "Median"}]]}`: "is not supported",
		`{"yAxis": {"left": {"min": 5, "max": 1}}}`:        "the axis ends at 1",
	} {
		if _, err := draw(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for n := 1; n < 200; n += 7 {
		if _, err := draw(fmt.Sprintf(`{"metrics": [%s], "title": "a title", "width": %d, "height": %d}`, lines, n, 200-n)); err != nil {
			t.Error(n, err)
		}
	}
}
