package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// The keys by which every record of a sort can be asked for, beside its attributes.

func traceKeys() []string {
	return strings.Fields("service instance name kind status duration message edge scope trace span parent since until run " +
		"trace.spans trace.errors trace.duration trace.services trace.service trace.name trace.kind")
}

func logKeys() []string {
	return strings.Fields("service instance unit severity level body message trace span printed since until run")
}

func metricKeys() []string { return strings.Fields("service name unit type scope value") }

// hintKeys says of a filter that found nothing which of its keys were probably meant otherwise.
func (a *App) hintKeys(text string, known []string) {
	n, err := filter.Parse(text)
	if err != nil {
		return
	}
	for _, e := range filter.Unknown(n, known) {
		fmt.Fprintf(a.screenOf(a.Err), "hint: %s: %s\n", clean(e.Msg), clean(e.Hint))
	}
	if asksOK(n) {
		fmt.Fprintln(a.screenOf(a.Err), "hint: status=ok: hardly a span says so of itself; status!=error finds what did not fail")
	}
}

// asksOK says that a filter holds only for spans that say of themselves that all went well.
func asksOK(n *filter.Node) bool {
	return n != nil && (n.Key == "status" && n.Op == filter.Equal && n.Value == "ok" || n.Op == filter.And && slices.ContainsFunc(n.Kids, asksOK))
}

// sentBy refuses a service that is neither in stack.yaml nor in any trace.
func (a *App) sentBy(ctx context.Context, t teller, service string) error {
	known := a.serviceNames()
	if len(known) == 0 || slices.Contains(known, service) {
		return nil
	}
	page, err := t.Traces(ctx, telemetry.Query{Filter: "service=" + quote(service), Limit: 1})
	if err != nil || len(page.Traces) > 0 {
		return err
	}
	return checkNames([]string{service}, known)
}
