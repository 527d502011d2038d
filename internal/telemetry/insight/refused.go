package insight

import (
	"slices"

	"msctl.dev/msctl/internal/telemetry"
)

// refusals are the codes of gRPC, by number and by name, with which a callee refuses a call that it
// understood, or takes back one that its caller gave up. OpenTelemetry has its span of such a call end
// without an error, and the caller's with one.
var refusals = []string{
	"1", "CANCELLED", "3", "INVALID_ARGUMENT", "5", "NOT_FOUND", "6", "ALREADY_EXISTS", "7", "PERMISSION_DENIED",
	"8", "RESOURCE_EXHAUSTED", "9", "FAILED_PRECONDITION", "10", "ABORTED", "11", "OUT_OF_RANGE", "16", "UNAUTHENTICATED",
}

// refused reports a call that was answered with no: HTTP's 4xx, or what gRPC has for it. The callee did what
// it should.
func refused(s *telemetry.Span) bool {
	if code := s.Word("http.response.status_code"); len(code) == 3 {
		return code[0] == '4'
	}
	return slices.Contains(refusals, s.Word("rpc.response.status_code")) || slices.Contains(refusals, s.Word("rpc.grpc.status_code"))
}
