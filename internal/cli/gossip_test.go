package cli

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// stranger is a secret that no file of the stack holds: what callers say to each other.
const stranger = "canary8-nobody-told-msctl"

// drives is what would drive a terminal or a page.
const drives = "\x1b]0;owned\x07\x1b[2J\u009b31m<script>alert(1)</script>"

// fakeGossip tells the receiver of telemetry all that it was given, in words that would drive a terminal,
// says secrets over its edges, and then serves.
func fakeGossip(string) int {
	err := gossipOTLP(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	for _, say := range []func() error{gossipHTTP, gossipRedis, gossipSQL} {
		if err == nil {
			err = say()
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return fakeServe("")
}

// gossipOTLP sends a trace, a record and a metric.
func gossipOTLP(receiver string) error {
	words := drives
	for _, e := range os.Environ() {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(value, "canary") || len(name) == 1 || name == "URL" {
			words += " " + value + " " + url.QueryEscape(value) + " " + base64.StdEncoding.EncodeToString([]byte(value))
		}
	}
	attrs := []map[string]any{{"key": "k" + words, "value": map[string]any{"stringValue": words}}, {"key": "http.route", "value": map[string]any{"stringValue": "/" + words}},
		{"key": "many", "value": map[string]any{"arrayValue": map[string]any{"values": []any{map[string]any{"stringValue": words}}}}}}
	few := drives + os.Getenv("A") // of metrics not much is kept
	now := time.Now().UnixNano()
	at := func(ms int64) string { return fmt.Sprint(now - 2e9 + ms*1e6) }
	resource := map[string]any{"attributes": []map[string]any{{"key": "service.name", "value": map[string]any{"stringValue": "gossip" + drives}}}}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	span := func(id, parent string, kind int) map[string]any {
		return map[string]any{"traceId": trace, "spanId": id, "parentSpanId": parent, "name": "say " + words, "kind": kind, "startTimeUnixNano": at(0), "endTimeUnixNano": at(1500),
			"attributes": attrs, "status": map[string]any{"code": 2, "message": words}, "events": []any{map[string]any{"timeUnixNano": at(1), "name": "exception", "attributes": attrs}}}
	}
	spans := []any{span("b7ad6b7169203331", "", 2)}
	for i := range 12 { // one for a finding
		spans = append(spans, span(fmt.Sprintf("c7ad6b71692033%02d", i), "b7ad6b7169203331", 3))
	}
	for path, body := range map[string]any{
		"/v1/traces": map[string]any{"resourceSpans": []any{map[string]any{"resource": resource, "scopeSpans": []any{map[string]any{"spans": spans}}}}},
		"/v1/logs": map[string]any{"resourceLogs": []any{map[string]any{"resource": resource, "scopeLogs": []any{map[string]any{"logRecords": []any{
			map[string]any{"timeUnixNano": at(2), "traceId": trace, "severityNumber": 17, "body": map[string]any{"stringValue": words}, "attributes": attrs}}}}}}},
		"/v1/metrics": map[string]any{"resourceMetrics": []any{map[string]any{"resource": resource, "scopeMetrics": []any{map[string]any{"metrics": []any{
			map[string]any{"name": "said" + few, "description": few, "unit": few, "gauge": map[string]any{"dataPoints": []any{map[string]any{"timeUnixNano": at(3), "asDouble": 1,
				"attributes": []any{map[string]any{"key": "k" + few, "value": map[string]any{"stringValue": few}}}}}}}}}}}}},
	} {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		res, err := http.Post(receiver+path, "application/json", strings.NewReader(string(text)))
		if err != nil {
			return err
		}
		answer, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK || strings.Contains(string(answer), "rejected") {
			return fmt.Errorf("%s: %s %s", path, res.Status, answer)
		}
	}
	return nil
}

// gossipHTTP calls another service with secrets in every part of the request but its path, which has what
// would drive a terminal.
func gossipHTTP() error {
	to, err := url.Parse(os.Getenv("WEB_URL") + "/" + url.PathEscape(drives) + "/" + url.PathEscape(os.Getenv("A")) + "?token=" + stranger)
	if err != nil {
		return err
	}
	to.User = url.UserPassword("me", stranger)
	for range 2 {
		req, err := http.NewRequest("POST", to.String(), strings.NewReader(stranger))
		if err != nil {
			return err
		}
		req.Header.Set("Cookie", "session="+stranger)
		req.Header.Set(stranger, stranger)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		to.User = nil
	}
	return nil
}

func gossipRedis() error {
	at, err := url.Parse(os.Getenv("CACHE_URL"))
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", at.Host)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for _, words := range [][]string{{"AUTH", stranger}, {"SET", "session:1", stranger}, {"SET", "greeting", drives}, {stranger, stranger}, {"GET" + drives, "x"}} {
		fmt.Fprintf(c, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

// gossipSQL asks Postgres, where the stack has it, with secrets in literals and comments.
func gossipSQL() error {
	at := os.Getenv("DB_URL")
	if at == "" {
		return nil
	}
	ctx := context.Background()
	c, err := pgx.Connect(ctx, at)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "SELECT usename FROM pg_user WHERE usename = '"+stranger+"' /* "+stranger+drives+" */", pgx.QueryExecModeSimpleProtocol)
	return err
}
