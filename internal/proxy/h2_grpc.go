package proxy

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// Codes of gRPC that the edge itself gives.
const (
	grpcCanceled    = 1
	grpcDeadline    = 4
	grpcExhausted   = 8
	grpcDenied      = 7
	grpcInternal    = 13
	grpcUnavailable = 14
)

// grpcCodes are the names of the codes, and which of them are the callee's fault.
var grpcCodes = [...]struct {
	name  string
	fault bool
}{
	{"OK", false}, {"CANCELLED", false}, {"UNKNOWN", true}, {"INVALID_ARGUMENT", false}, {"DEADLINE_EXCEEDED", true},
	{"NOT_FOUND", false}, {"ALREADY_EXISTS", false}, {"PERMISSION_DENIED", false}, {"RESOURCE_EXHAUSTED", false},
	{"FAILED_PRECONDITION", false}, {"ABORTED", false}, {"OUT_OF_RANGE", false}, {"UNIMPLEMENTED", true},
	{"INTERNAL", true}, {"UNAVAILABLE", true}, {"DATA_LOSS", true}, {"UNAUTHENTICATED", false},
}

func grpcCode(code int) string {
	if code < 0 || code >= len(grpcCodes) {
		return strconv.Itoa(code)
	}
	return grpcCodes[code].name
}

// isGRPC reports a request of gRPC by its content type: application/grpc, application/grpc+proto.
func isGRPC(content string) bool {
	kind, ok := strings.CutPrefix(content, "application/grpc")
	return ok && (kind == "" || kind[0] == '+' || kind[0] == ';')
}

// status reads how a gRPC call ended, from the trailers or, where the head was all, from that.
func (s *h2stream) status() {
	c := &s.call
	code, err := strconv.Atoi(valueOf(s.end, "grpc-status"))
	if err != nil || code < 0 {
		c.Err = fmt.Sprintf("no status of gRPC, status %d of HTTP", c.Code)
		c.Code = 2
		return
	}
	c.Code = code
	if code == grpcUnavailable {
		s.t.fail(false)
	}
	if code >= len(grpcCodes) || grpcCodes[code].fault {
		c.Err = strings.TrimSuffix(grpcCode(code)+": "+grpcUnescape(valueOf(s.end, "grpc-message")), ": ")
	}
}

// maxGRPCMessage bounds what is kept of a status message, in bytes.
const maxGRPCMessage = 200

func grpcUnescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	return strings.ToValidUTF8(s[:min(len(s), maxGRPCMessage)], "?")
}

// grpcEscape writes a status message as gRPC has it: percent signs for all that is not printable ASCII.
func grpcEscape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// grpcOfReset is the code that a client of gRPC takes a reset for.
func grpcOfReset(code http2.ErrCode) int {
	switch code {
	case http2.ErrCodeRefusedStream:
		return grpcUnavailable
	case http2.ErrCodeCancel:
		return grpcCanceled
	case http2.ErrCodeEnhanceYourCalm:
		return grpcExhausted
	case http2.ErrCodeInadequateSecurity:
		return grpcDenied
	}
	return grpcInternal
}

// grpcTimeout reads the deadline of a call: digits and a unit.
func grpcTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	unit := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond,
		'u': time.Microsecond, 'n': time.Nanosecond}[s[len(s)-1]]
	if err != nil || n < 0 || unit == 0 {
		return 0, false
	}
	if n > int64(1<<62/unit) {
		return 1 << 62, true
	}
	return time.Duration(n) * unit, true
}
