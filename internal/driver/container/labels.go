package container

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/filters"

	"msctl.dev/msctl/internal/driver"
)

// Labels that everything carries from the moment it is created, so that it can be found without any state.
const (
	labelStack  = "msctl.stack"
	labelUnit   = "msctl.unit"
	labelSpec   = "msctl.spec"   // hash of what the unit is made of
	labelRun    = "msctl.run"    // of an ephemeral unit: the supervisor that it ends with
	labelSignal = "msctl.signal" // how it is asked to end
	labelGrace  = "msctl.grace"  // milliseconds before KILL
	labelTries  = "msctl.restarts"
	labelAfter  = "msctl.after"  // the last line in the unit's log that is not of this container
	labelBinary = "msctl.binary" // of an image made by [BuildStatic]: hash of what is inside
)

const defaultGrace = 10 * time.Second

// labels returns what the container of u carries.
func (d *Driver) labels(u driver.Unit, spec string) map[string]string {
	all := map[string]string{}
	for k, v := range u.Labels {
		all[k] = v
	}
	all[labelStack], all[labelUnit], all[labelSpec] = d.Stack, u.Name, spec
	all[labelSignal] = signalOf(u)
	all[labelGrace] = strconv.FormatInt(graceOf(u).Milliseconds(), 10)
	all[labelTries] = strconv.Itoa(u.Restarts)
	all[labelPorts] = hostPorts(u)
	if u.Ephemeral {
		all[labelRun] = d.runID()
	}
	return all
}

// hash names everything that makes two runs of a unit differ; imageID makes a rebuilt image count.
func hash(u driver.Unit, imageID string) string {
	env := slices.Sorted(slices.Values(u.Env))
	b, err := json.Marshal(struct {
		Image, ID         string
		Argv, Env, Tmpfs  []string
		Dir, User, Signal string
		Ports             []driver.Port
		Mounts            []driver.Mount
		CPU               float64
		Memory            int64
		Labels            map[string]string
		HostNetwork       bool
	}{u.Image, imageID, u.Argv, env, u.Tmpfs, u.Dir, u.User, signalOf(u), u.Ports, u.Mounts, u.CPU, u.Memory, u.Labels, u.HostNetwork})
	if err != nil {
		panic(err) // plain values only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func signalOf(u driver.Unit) string {
	if u.Signal == "" {
		return "TERM"
	}
	return u.Signal
}

func graceOf(u driver.Unit) time.Duration {
	if u.Grace == 0 {
		return defaultGrace
	}
	return u.Grace
}

// byStack filters for everything of one stack, and more labels where given as "key=value".
func byStack(stack string, more ...string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", labelStack+"="+stack))
	for _, l := range more {
		f.Add("label", l)
	}
	return f
}

// containerName is unique on the engine: two supervisors cannot both create the container of one unit.
func containerName(stack, unit string) string { return "msctl-" + short(stack) + "-" + unit }

// volumeName keeps the volumes of two stacks apart.
func volumeName(stack, volume string) string { return "msctl-" + short(stack) + "-" + volume }

func short(stack string) string {
	if len(stack) > 12 {
		return stack[:12]
	}
	return stack
}
