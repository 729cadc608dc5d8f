package cloudwatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	chart "github.com/wcharczuk/go-chart/v2"
	"github.com/wcharczuk/go-chart/v2/drawing"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
)

// A widget is what GetMetricWidgetImage draws: lines of metrics and expressions.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Metric-Widget-Structure.html
type widget struct {
	Width    int                 `json:"width"`
	Height   int                 `json:"height"`
	Metrics  [][]json.RawMessage `json:"metrics"`
	Period   int32               `json:"period"`
	Stat     string              `json:"stat"`
	Start    string              `json:"start"`
	End      string              `json:"end"`
	Title    string              `json:"title"`
	Timezone string              `json:"timezone"`
	YAxis    struct {
		Left struct {
			Min, Max *float64
			Label    string `json:"label"`
		} `json:"left"`
	} `json:"yAxis"`
}

// A widgetMetric is what a widget says of one line.
type widgetMetric struct {
	ID         string `json:"id"`
	Expression string `json:"expression"`
	Label      string `json:"label"`
	Stat       string `json:"stat"`
	Period     int32  `json:"period"`
	Color      string `json:"color"`
	Visible    *bool  `json:"visible"`
}

func (s *Service) getMetricWidgetImage(ctx context.Context, in *api.GetMetricWidgetImageInput) (*api.GetMetricWidgetImageOutput, error) {
	if f := aws.Value(in.OutputFormat); f != "" && f != "png" && f != "image/png" {
		return nil, invalidValue("The value %s for parameter OutputFormat is invalid. Valid values are png and image/png.", f)
	}
	w := widget{Width: 600, Height: 400, Period: 300, Stat: "Average", Start: "-PT3H", End: "PT0H"}
	if err := json.Unmarshal([]byte(*in.MetricWidget), &w); err != nil {
		return nil, validation("The metric widget is not valid JSON of its form: %s", err)
	}
	if w.Width < 1 || w.Width > 2000 || w.Height < 1 || w.Height > 2000 {
		return nil, validation("The width and height of the metric widget must be from 1 to 2000.")
	}
	now := s.Clock.Now()
	start, err1 := widgetTime(w.Start, now)
	end, err2 := widgetTime(w.End, now)
	if err1 != nil || err2 != nil || !start.Before(end) {
		return nil, validation("The start and end of the metric widget must be times, or durations such as -PT3H, in this order.")
	}
	queries, colors, err := w.queries()
	if err != nil {
		return nil, err
	}
	var results []api.MetricDataResult
	if len(queries) > 0 {
		p, err := planOf("metrics", aws.RequestOf(ctx).Account(), queries)
		if err != nil {
			return nil, err
		}
		if results, err = s.results(ctx, p, start, end, time.UTC); err != nil {
			return nil, err
		}
	}
	png, err := w.draw(results, colors, start, end)
	if err != nil {
		return nil, validation("The metric widget can't be drawn: %s", err)
	}
	return &api.GetMetricWidgetImageOutput{MetricWidgetImage: png}, nil
}

var widgetDuration = regexp.MustCompile(`^(-?)P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?)?$`)

// widgetTime is a moment, given as such or from now.
func widgetTime(text string, now time.Time) (time.Time, error) {
	m := widgetDuration.FindStringSubmatch(text)
	if m == nil {
		return time.Parse(time.RFC3339, text)
	}
	var d time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute} {
		n, err := strconv.Atoi("0" + m[i+2])
		if err != nil {
			return time.Time{}, err
		}
		d += time.Duration(n) * unit
	}
	if m[1] == "-" {
		d = -d
	}
	return now.Add(d), nil
}

// queries are what the widget's lines ask for, and the colors of those that have one. Of
// a line, "." stands for what the line before has there, and "..." for all that it has.
func (w *widget) queries() (out []api.MetricDataQuery, colors map[string]string, err error) {
	colors = map[string]string{}
	var before []string
	for i, line := range w.Metrics {
		about := widgetMetric{Stat: w.Stat, Period: w.Period}
		if n := len(line); n > 0 && bytes.HasPrefix(bytes.TrimSpace(line[n-1]), []byte("{")) {
			if err := json.Unmarshal(line[n-1], &about); err != nil {
				return nil, nil, validation("The element %d of metrics is not valid.", i)
			}
			line = line[:n-1]
		}
		if about.ID == "" {
			about.ID = "line" + itoa(i)
		}
		colors[about.ID] = about.Color
		q := api.MetricDataQuery{Id: &about.ID, Label: optional(about.Label), ReturnData: about.Visible}
		if about.Expression != "" {
			q.Expression, q.Period = &about.Expression, &about.Period
			out = append(out, q)
			continue
		}
		words, ok := widgetWords(line, before)
		if !ok || len(words) < 2 || len(words)%2 != 0 {
			return nil, nil, validation("The element %d of metrics must have a namespace, a name, and names and values of dimensions.", i)
		}
		before = words
		m := &api.Metric{Namespace: &words[0], MetricName: &words[1]}
		for j := 2; j < len(words); j += 2 {
			m.Dimensions = append(m.Dimensions, api.Dimension{Name: &words[j], Value: &words[j+1]})
		}
		q.MetricStat = &api.MetricStat{Metric: m, Period: &about.Period, Stat: &about.Stat}
		out = append(out, q)
	}
	return out, colors, nil
}

func widgetWords(line []json.RawMessage, before []string) ([]string, bool) {
	var words []string
	for _, raw := range line {
		var word string
		if json.Unmarshal(raw, &word) != nil {
			return nil, false
		}
		switch {
		case word == "...":
			rest := len(line) - 1 - len(words) // what stands behind the dots
			if len(before)-rest < len(words) || rest < 0 {
				return nil, false
			}
			words = append(words, before[len(words):len(before)-rest]...)
		case word == "." && len(words) < len(before):
			words = append(words, before[len(words)])
		default:
			words = append(words, word)
		}
	}
	return words, true
}

// draw draws results, the oldest data points first.
func (w *widget) draw(results []api.MetricDataResult, colors map[string]string, start, end time.Time) ([]byte, error) {
	low, high := math.Inf(1), math.Inf(-1)
	c := chart.Chart{Title: w.Title, Width: w.Width, Height: w.Height,
		Background: chart.Style{Padding: chart.Box{Top: 40, Left: 20, Right: 20, Bottom: 20}},
		XAxis: chart.XAxis{Range: &chart.ContinuousRange{Min: float64(start.UnixNano()), Max: float64(end.UnixNano())},
			ValueFormatter: chart.TimeValueFormatterWithFormat("01-02 15:04")}}
	for _, r := range results {
		line := chart.TimeSeries{Name: *r.Label, XValues: r.Timestamps, YValues: r.Values}
		if color := colors[*r.Id]; len(color) == 7 && color[0] == '#' {
			line.Style.StrokeColor = drawing.ColorFromHex(color[1:])
		}
		for _, v := range r.Values {
			low, high = math.Min(low, v), math.Max(high, v)
		}
		if len(r.Values) == 1 { // a single point is no line
			line.Style.DotWidth, line.Style.DotColor = 3, chart.ColorBlue
		}
		if len(r.Values) > 0 {
			c.Series = append(c.Series, line)
		}
	}
	if len(c.Series) == 0 {
		low, high = 0, 1
		c.Series = []chart.Series{chart.TimeSeries{XValues: []time.Time{start, end}, YValues: []float64{0, 0}, Style: chart.Style{StrokeColor: drawing.ColorTransparent}}}
	}
	if room := 1e-6 * math.Max(math.Abs(low), math.Abs(high)); high-low <= room {
		low, high = low-room-1, high+room+1
	}
	c.YAxis = chart.YAxis{Name: w.YAxis.Left.Label, Range: &chart.ContinuousRange{Min: value(w.YAxis.Left.Min, low), Max: value(w.YAxis.Left.Max, high)}}
	if r := c.YAxis.Range; r.GetMin() >= r.GetMax() {
		return nil, fmt.Errorf("the axis ends at %v and begins at %v", r.GetMax(), r.GetMin())
	}
	if len(results) > 0 && strings.TrimSpace(*results[0].Label) != "" {
		c.Elements = []chart.Renderable{chart.LegendThin(&c)}
	}
	var b bytes.Buffer
	err := c.Render(chart.PNG, &b)
	return b.Bytes(), err
}
