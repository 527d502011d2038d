package toxiproxy

import (
	"strconv"
	"time"
)

// attributes are what a type of toxic is told. JSON has every field of them, zeros too.
type attributes interface {
	fault() (kind string, params map[string]string) // "" does nothing
	copy() attributes
}

// attributesOf returns those of a type, all zero, or nil where no type has that name.
func attributesOf(name string) attributes {
	switch name {
	case "latency":
		return &latency{}
	case "bandwidth":
		return &bandwidth{}
	case "slow_close":
		return &slowClose{}
	case "timeout":
		return &timeout{}
	case "reset_peer":
		return &resetPeer{}
	case "slicer":
		return &slicer{}
	case "limit_data":
		return &limitData{}
	case "noop":
		return &noop{}
	}
	return nil
}

// latency holds each chunk back.
type latency struct {
	Latency int64 `json:"latency"` // ms
	Jitter  int64 `json:"jitter"`  // ms to either side
}

func (a latency) copy() attributes { return &a }

func (a latency) fault() (string, map[string]string) {
	return "latency", map[string]string{"delay": ms(a.Latency), "jitter": ms(a.Jitter)}
}

// bandwidth lets so much through. With 0 nothing passes, as in Toxiproxy.
type bandwidth struct {
	Rate int64 `json:"rate"` // KB/s, of 1000 bytes
}

func (a bandwidth) copy() attributes { return &a }

func (a bandwidth) fault() (string, map[string]string) {
	if a.Rate <= 0 {
		return "stall", nil
	}
	return "bandwidth", map[string]string{"rate": strconv.FormatInt(a.Rate, 10) + "KB/s"}
}

// slowClose holds the end of a connection back.
type slowClose struct {
	Delay int64 `json:"delay"` // ms
}

func (a slowClose) copy() attributes { return &a }

func (a slowClose) fault() (string, map[string]string) {
	return "slow-close", map[string]string{"delay": ms(a.Delay)}
}

// timeout swallows what is sent and closes the connection after a while, with 0 never.
type timeout struct {
	Timeout int64 `json:"timeout"` // ms
}

func (a timeout) copy() attributes { return &a }

func (a timeout) fault() (string, map[string]string) {
	if a.Timeout <= 0 {
		return "blackhole", nil
	}
	return "blackhole", map[string]string{"after": ms(a.Timeout)}
}

// resetPeer resets the connection a while after the first byte.
type resetPeer struct {
	Timeout int64 `json:"timeout"` // ms
}

func (a resetPeer) copy() attributes { return &a }

func (a resetPeer) fault() (string, map[string]string) {
	return "reset", map[string]string{"after": ms(a.Timeout)}
}

// slicer cuts chunks into pieces.
type slicer struct {
	AverageSize   int64 `json:"average_size"`   // bytes
	SizeVariation int64 `json:"size_variation"` // bytes to either side
	Delay         int64 `json:"delay"`          // µs between pieces
}

func (a slicer) copy() attributes { return &a }

func (a slicer) fault() (string, map[string]string) {
	return "slicer", map[string]string{
		"size": strconv.FormatInt(max(a.AverageSize, 1), 10), "variation": strconv.FormatInt(a.SizeVariation, 10),
		"delay": (time.Duration(a.Delay) * time.Microsecond).String(),
	}
}

// limitData closes the connection after so many bytes.
type limitData struct {
	Bytes int64 `json:"bytes"`
}

func (a limitData) copy() attributes { return &a }

func (a limitData) fault() (string, map[string]string) {
	return "limit", map[string]string{"bytes": strconv.FormatInt(max(a.Bytes, 0), 10)}
}

// noop does nothing.
type noop struct{}

func (a noop) copy() attributes { return &a }

func (noop) fault() (string, map[string]string) { return "", nil }

func ms(n int64) string { return (time.Duration(max(n, 0)) * time.Millisecond).String() }
