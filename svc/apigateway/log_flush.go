package apigateway

import "context"

type logFlusher struct{}

func newLogFlusher(*Service) *logFlusher { return &logFlusher{} }

func (l *logFlusher) run(ctx context.Context) error { <-ctx.Done(); return nil }
