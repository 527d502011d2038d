package chaos

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type says what the value of a parameter looks like.
type Type string

// The types.
const (
	Duration Type = "duration" // 300ms
	Size     Type = "size"     // bytes: 500, 64KB, 1MiB
	Rate     Type = "rate"     // bytes per second: 100KB/s
	Count    Type = "count"    // 3
	Share    Type = "share"    // 0.5 or 50%
	Text     Type = "text"
	Flag     Type = "flag" // no value, or true or false
	Choice   Type = "choice"
)

// example is a value of a type, for hints.
func (p *Param) example() string {
	switch p.Type {
	case Duration:
		return "300ms"
	case Size:
		return "64KB"
	case Rate:
		return "1MB/s"
	case Count:
		return "3"
	case Share:
		return "0.5"
	case Flag:
		return "true"
	case Choice:
		return cmp.Or(p.Default, p.Choices[0])
	}
	return "text"
}

// check says what is wrong with a value, or nil.
func (p *Param) check(value string) error {
	var err error
	switch p.Type {
	case Duration:
		_, err = readDuration(value)
	case Size:
		_, err = readSize(value)
	case Rate:
		_, err = readSize(strings.TrimSuffix(value, "/s"))
	case Count:
		_, err = readCount(value)
	case Share:
		_, err = readShare(value)
	case Flag:
		if value != "true" && value != "false" {
			err = fmt.Errorf("neither true nor false")
		}
	case Choice:
		if !slices.Contains(p.Choices, value) {
			err = fmt.Errorf("none of %s", strings.Join(p.Choices, ", "))
		}
	}
	return err
}

// longest is the longest that a fault may take for anything.
const longest = 24 * time.Hour

func readDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return 0, fmt.Errorf("not a duration")
	case d < 0:
		return 0, fmt.Errorf("it is negative")
	case d > longest:
		return 0, fmt.Errorf("it is more than %s", longest)
	}
	return d, nil
}

var sizes = []struct {
	unit  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func readSize(value string) (int64, error) {
	for _, s := range sizes {
		number, ok := strings.CutSuffix(value, s.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*s.bytes > 1<<50 {
			break
		}
		return int64(n * s.bytes), nil
	}
	return 0, fmt.Errorf("not a size")
}

func readCount(value string) (int64, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("not a whole number")
	}
	return int64(n), nil
}

func readShare(value string) (float64, error) {
	number, percent := strings.CutSuffix(value, "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0 && n <= 1) {
		return 0, fmt.Errorf("not a share from 0 to 1")
	}
	return n, nil
}
