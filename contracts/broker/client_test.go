package broker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
)

// pactCLI is the release of Pact's own command line that the broker is tried with.
const pactCLI = "18.1.2"

// realClient returns the program `pact`, fetched once from npm's registry into this user's cache. npm checks
// it against the registry's checksum.
func realClient(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("MSCTL_PACT_CLI"); given != "" {
		return given
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS == "windows" || arch == "" {
		need.Missing(t, "pact", "Pact's command line is not made for this machine")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "msctl-test", "pact-cli-"+pactCLI, "package", "standalone", "pact")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := fetchClient(t, fmt.Sprintf("@pact-foundation/pact-cli-%s-%s@%s", runtime.GOOS, arch, pactCLI), filepath.Dir(filepath.Dir(filepath.Dir(program)))); err != nil {
		need.Missing(t, "pact", "Pact's command line cannot be fetched from npm: "+err.Error())
	}
	return program
}

// fetchClient puts the content of a package into dir, whole or not at all.
func fetchClient(t *testing.T, name, dir string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "fetch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, argv := range [][]string{{"npm", "pack", "--silent", name}, {"sh", "-c", "tar -xzf *.tgz && rm *.tgz"}} {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	if err := os.Rename(tmp, dir); err != nil && !os.IsExist(err) {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// TestRealClient drives the broker with Pact's own command line: publish, verify and publish the result,
// environments, deployments, releases, and may it be deployed.
func TestRealClient(t *testing.T) {
	program := realClient(t)
	store, err := OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	api := httptest.NewServer((&Broker{Store: store, Token: "secret"}).Handler())
	defer api.Close()
	dir := t.TempDir()
	write := func(word string) string {
		file := filepath.Join(dir, word+".json")
		if err := os.WriteFile(file, []byte(pactOf("gateway", "users", word)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	run := func(fails bool, says string, words ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, words...)
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1", "PACT_DO_NOT_TRACK=true",
			"PACT_BROKER_BASE_URL=" + api.URL, "PACT_BROKER_TOKEN=secret"}
		out, err := cmd.CombinedOutput()
		if (err != nil) != fails || !strings.Contains(string(out), says) {
			t.Errorf("pact %s: %v, want fails=%v and %q\n%s", strings.Join(words, " "), err, fails, says, out)
		}
	}
	var status atomic.Int32 // of what the provider answers
	status.Store(http.StatusOK)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer provider.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(provider.URL, "http://"))
	verify := func(fails bool, version string) {
		t.Helper()
		run(fails, "Verifying a pact between", "verifier", "--hostname", "127.0.0.1", "--port", port, "--provider-name", "users",
			"--broker-url", api.URL, "--token", "secret", "--publish", "--provider-version", version, "--provider-branch", "main")
	}
	may := func(name, version string) []string {
		return []string{"broker", "can-i-deploy", "--pacticipant", name, "--version", version, "--to-environment", "production"}
	}
	run(false, "Pact successfully published", "broker", "publish", write("a"), "--consumer-app-version", "1", "--branch", "main", "--tag", "t")
	run(false, "there already", "broker", "publish", write("a"), "--consumer-app-version", "1", "--branch", "main")
	run(true, "Cannot change the content", "broker", "publish", write("b"), "--consumer-app-version", "1")
	run(false, "Created production", "broker", "create-environment", "--name", "production", "--production")
	run(false, "production", "broker", "list-environments")
	run(true, "no version of users", may("gateway", "1")...)
	verify(false, "10")
	run(false, "Recorded deployment", "broker", "record-deployment", "--pacticipant", "users", "--version", "10", "--environment", "production")
	run(false, "Computer says yes", may("gateway", "1")...)
	run(false, "Recorded deployment", "broker", "record-deployment", "--pacticipant", "gateway", "--version", "1", "--environment", "production")
	status.Store(http.StatusTeapot)
	verify(true, "11")
	run(true, "version 11 of users failed", may("users", "11")...)
	run(false, "Computer says yes", may("users", "10")...)
	run(false, "Undeployed", "broker", "record-undeployment", "--pacticipant", "users", "--environment", "production")
	run(true, "no version of users", may("gateway", "1")...)
	run(false, "Recorded release", "broker", "record-release", "--pacticipant", "users", "--version", "10", "--environment", "production")
	run(false, "Computer says yes", may("gateway", "1")...)
	run(false, "users", "broker", "list-latest-pact-versions")
	run(false, "gateway", "broker", "list-pacticipants")
	run(false, "gateway", "broker", "describe-pacticipant", "--name", "gateway")
}
