package kittest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
)

// Call sends in as JSON (nil: no body), decodes the answer into out (nil: dropped), and returns the
// answer's status.
func Call(t testing.TB, method, url string, in, out any) int {
	t.Helper()
	body := &bytes.Buffer{}
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			t.Fatalf("encode call: %v", err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatalf("make call: %v", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	defer resp.Body.Close()
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			t.Fatalf("%s %s: %d, read answer: %v", method, url, resp.StatusCode, err)
		}
	}
	return resp.StatusCode
}
