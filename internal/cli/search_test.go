package cli

import (
	"testing"
	"time"
)

func TestSearch(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		o        logOptions
		services []string
		last     int
		want     string
		code     int
	}{
		"trace":     {logOptions{trace: "ab12"}, nil, -1, "trace=ab12", exitOK},
		"both":      {logOptions{trace: "ab12", where: "a=b OR c=d"}, []string{"orders"}, -1, "(a=b OR c=d) trace=ab12 (service=orders OR instance=orders)", exitOK},
		"no id":     {logOptions{trace: "xyz"}, nil, -1, "", exitUsage},
		"severity":  {logOptions{where: "severity>=foo"}, nil, -1, "", exitUsage},
		"follow":    {logOptions{trace: "ab12", follow: true}, nil, -1, "", exitUsage},
		"grep":      {logOptions{where: "a=b", grep: "x"}, nil, -1, "", exitUsage},
		"bad since": {logOptions{where: "a=b", since: "x"}, nil, -1, "", exitUsage},
	} {
		q, err := c.o.search(c.services, c.last, now)
		if exitCode(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (q.Filter != c.want || q.Sort != "oldest" || q.Limit != searchedLogs) {
			t.Errorf("%s: %+v", name, q)
		}
	}
	if q, _ := (logOptions{where: "x"}).search(nil, 5, now); q.Limit != 5 || q.Sort != "" {
		t.Errorf("the last five: %+v", q)
	}
}
