package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"msctl.dev/msctl/services/kit"
)

// onlyOnce answers requests of one client, route and key once. A request without a key is handed on
// as it is.
func (g *gateway) onlyOnce(rt Route, next http.Handler) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = again()
		r.GetBody = again
		key := r.Header.Get("Idempotency-Key")
		r.Header.Del("Idempotency-Key")
		if known := field(body, rt.Knows); sendable(known) {
			r.Header.Set("Idempotency-Key", known) // the transport may then try again
		}
		if key == "" {
			key = field(body, "request_id")
		}
		if key == "" || !g.app.On("idempotency") {
			next.ServeHTTP(w, r)
			return nil
		}
		if len(key) > 200 {
			return kit.BadRequest("the idempotency key is over 200 bytes")
		}
		scoped := digest([]byte(client(r, callerOf(r.Context()))), []byte(rt.Pattern), []byte(key))
		print := digest([]byte(r.Method), []byte(r.URL.RequestURI()), body)
		return g.once.Serve(w, r, scoped, print, next)
	})
}

// field returns a text of a JSON object, or "".
func field(body []byte, name string) string {
	var in map[string]json.RawMessage
	_ = json.Unmarshal(body, &in) // what is not JSON has no fields: the service says what is wrong
	var text string
	_ = json.Unmarshal(in[name], &text)
	return text
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		_ = json.NewEncoder(h).Encode(p) // keeps the parts apart; a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}
