package telemetry

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestRepeatedMessages merges what is sent in many parts once, not anew for each part (I1).
func TestRepeatedMessages(t *testing.T) {
	const parts = 100_000
	var body []byte
	for range parts {
		body = protowire.AppendTag(body, 1, protowire.BytesType)
		body = protowire.AppendBytes(body, bytes.Repeat([]byte{0}, 8))
	}
	allocs := testing.AllocsPerRun(1, func() {
		out, err := first(body, 1)
		if err != nil || len(out) != 8*parts {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	})
	if allocs > 100 {
		t.Errorf("%v allocations for %d parts", allocs, parts)
	}
}
