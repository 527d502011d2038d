package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// Netem says why the packets of containers cannot be delayed and lost on this machine, or nil. It tries in
// a network of its own, which ends with the try.
func Netem(ctx context.Context) error {
	for _, tool := range []string{"tc", "nsenter", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("netem: %s is not installed (iproute2, util-linux)", tool)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms").CombinedOutput()
	if err == nil {
		return nil
	}
	why := oneLine(errors.New(strings.TrimSpace(string(out))))
	switch {
	case strings.Contains(why, "not permitted"):
		why = "this user may not change networks (CAP_NET_ADMIN)"
	case strings.Contains(why, "kind is unknown"):
		why = "the kernel has no sch_netem"
	case why == "":
		why = err.Error()
	}
	return fmt.Errorf("netem: %s", why)
}

// bad makes the network of a container bad, and good again where n is nil.
func (l *link) bad(ctx context.Context, id string, n *driver.Netem) error {
	c, err := l.cli.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	ns, err := openNetwork("/proc", id, c.State.Pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	argv := []string{"--net=/proc/self/fd/3", "tc", "qdisc"} // the first of ExtraFiles
	if n == nil {
		argv = append(argv, "del", "dev", "eth0", "root")
	} else {
		argv = append(append(argv, "replace", "dev", "eth0", "root"), netemWords(*n)...)
	}
	cmd := exec.CommandContext(ctx, "nsenter", argv...)
	cmd.ExtraFiles = []*os.File{ns}
	out, err := cmd.CombinedOutput()
	if err != nil && !(n == nil && strings.Contains(string(out), "zero handle")) { // there is none: it is good
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// netemWords is n in the words of tc-netem(8).
func netemWords(n driver.Netem) []string {
	words := []string{"netem"}
	us := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) + "us" }
	if n.Delay > 0 || n.Jitter > 0 {
		words = append(words, "delay", us(n.Delay))
	}
	if n.Jitter > 0 {
		words = append(words, us(n.Jitter))
	}
	for _, share := range []struct {
		name string
		of   float64
	}{{"loss", n.Loss}, {"corrupt", n.Corrupt}, {"duplicate", n.Duplicate}} {
		if share.of > 0 {
			words = append(words, share.name, strconv.FormatFloat(share.of*100, 'f', -1, 64)+"%")
		}
	}
	return words
}
