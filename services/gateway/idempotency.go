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
		header, inBody := r.Header.Get("Idempotency-Key"), requestID(body)
		r.Header.Del("Idempotency-Key")
		if rt.Knows && inBody != "" {
			r.Header.Set("Idempotency-Key", inBody) // the transport may then try again
		}
		key := header
		if key == "" {
			key = inBody
		}
		if key == "" {
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

// requestID returns the request_id of a JSON object, or "".
func requestID(body []byte) string {
	var in struct {
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(body, &in) // what is not JSON has no id: the service says what is wrong
	return in.RequestID
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		_ = json.NewEncoder(h).Encode(p) // keeps the parts apart; a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}
