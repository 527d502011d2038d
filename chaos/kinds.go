package chaos

// Kinds is every kind of fault, in the order in which help shows them.
var Kinds = []Kind{
	latency,
	bandwidth,
	slicer,
	slowClose,
	limits,
	reset,
	refuse,
	hang,
	stall,
	blackhole,
	corrupt,
	partition,

	delay,
	abort,
	rateLimit,
	truncate,
	malformed,
	header,
	body,
	duplicate,
	omit,
	grpcStatus,
	grpcReset,

	kill,
	pause,
	restart,
	cpu,
	memory,
	disconnect,
	netem,
}
