package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
)

// asService makes the test's own program the service.
const asService = "LEGACY_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// replica starts the service as a process of its own and returns its URL.
func replica(t *testing.T, file string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asService+"=1", "LEGACY_FILE="+file, "HTTP_PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("service: %v", err)
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "service listening" {
			go io.Copy(io.Discard, out) // ends with the process
			return "http://" + line.Addr
		}
	}
	t.Fatal("service does not listen")
	return ""
}

func start(t *testing.T) string {
	return kittest.Start(t, run, map[string]string{"LEGACY_FILE": filepath.Join(t.TempDir(), "legacy.db")})
}

// transact returns the bank's line, or "" where it hung up.
func transact(t *testing.T, base, line string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/bank/txn", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d %s", line, resp.StatusCode, data)
	}
	return strings.TrimSpace(string(data))
}

func sell(ref string, amount int64, pan string) string {
	return txn{op: sale, ref: ref, amount: amount, pan: pan}.String()
}

// booked returns the audit list, one line each. It is read by small pages.
func booked(t *testing.T, base string) []string {
	t.Helper()
	lines := []string{}
	for after, more := int64(0), true; more; {
		var out struct{ Bookings []booking }
		kittest.Call(t, "GET", fmt.Sprintf("%s/bank/booked?after=%d&limit=2", base, after), nil, &out)
		for _, b := range out.Bookings {
			lines, after = append(lines, fmt.Sprintf("%s %s %d %s", b.Op, b.Ref, b.Amount, b.RC)), b.Txn
		}
		more = len(out.Bookings) == 2
	}
	return lines
}

// TestBank sells, gives back and asks. The same again is answered the same, and booked once.
func TestBank(t *testing.T) {
	base := start(t)
	for _, c := range []struct{ line, want string }{
		{sell("o-1", 1999, cardOK), "RC=00|REF=o-1|TXN=T000000001|AMT=000000001999"},
		{sell("o-1", 1999, cardOK), "RC=00|REF=o-1|TXN=T000000001|AMT=000000001999"},
		{sell("o-1", 2000, cardOK), "RC=94|REF=o-1|TXN=T000000001|AMT=000000001999"},
		{"OP=INQ|REF=o-1", "RC=00|REF=o-1|TXN=T000000001|AMT=000000001999"},
		{"OP=INQ|REF=o-2", "RC=25|REF=o-2|TXN=|AMT=000000000000"},
		{"OP=REFUND|REF=o-2", "RC=25|REF=o-2|TXN=|AMT=000000000000"},
		{"REF=o-1|OP=REFUND\r\n", "RC=00|REF=o-1|TXN=T000000002|AMT=000000001999"},
		{"OP=REFUND|REF=o-1", "RC=00|REF=o-1|TXN=T000000002|AMT=000000001999"},
		{"OP=INQ|REF=o-1", "RC=00|REF=o-1|TXN=T000000001|AMT=000000001999"},
		{sell("o-3", 5, cardRefused), "RC=51|REF=o-3|TXN=T000000003|AMT=000000000005"},
		{sell("o-3", 5, cardOK), "RC=51|REF=o-3|TXN=T000000003|AMT=000000000005"},
		{"OP=REFUND|REF=o-3", "RC=25|REF=o-3|TXN=|AMT=000000000000"},
		{sell("o-4", 5, cardLater), "RC=91|REF=o-4|TXN=|AMT=000000000005"},
		{sell("o-4", 5, cardLater), "RC=91|REF=o-4|TXN=|AMT=000000000005"},
		{"OP=INQ|REF=o-4", "RC=25|REF=o-4|TXN=|AMT=000000000000"},
		{sell("o-4", 5, cardLater), "RC=00|REF=o-4|TXN=T000000004|AMT=000000000005"},
		{sell("o-5", 7, cardFlaky), ""},
		{sell("o-5", 7, cardFlaky), "RC=00|REF=o-5|TXN=T000000005|AMT=000000000007"},
		{sell("o-6", 7, "tok_nobody"), "RC=14|REF=o-6|TXN=T000000006|AMT=000000000007"},
		{sell("o-7", 0, cardRefused), "RC=00|REF=o-7|TXN=T000000007|AMT=000000000000"},
		{sell("o-7", 7, cardOK), "RC=94|REF=o-7|TXN=T000000007|AMT=000000000000"},
		{"hello", "RC=30|REF=|TXN=|AMT=000000000000"},
	} {
		if got := transact(t, base, c.line); got != c.want {
			t.Errorf("%s: got %q, want %q", c.line, got, c.want)
		}
	}
	want := []string{"SALE o-1 1999 00", "REFUND o-1 1999 00", "SALE o-3 5 51", "SALE o-4 5 00",
		"SALE o-5 7 00", "SALE o-6 7 14", "SALE o-7 0 00"}
	if diff := cmp.Diff(want, booked(t, base)); diff != "" {
		t.Error(diff)
	}
}

// TestSlowIsBooked waits for a slow sale a millisecond: it is not answered, and done all the same.
func TestSlowIsBooked(t *testing.T) {
	base := start(t)
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/bank/txn",
		strings.NewReader(sell("o-1", 5, cardSlow)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(kit.TimeoutHeader, "1")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("a slow sale is answered at once")
	}
	if got, want := transact(t, base, "OP=INQ|REF=o-1"), "RC=00|REF=o-1|TXN=T000000001|AMT=000000000005"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReplicasShareTheFile asks three processes for the same sale and refund at once: each is booked
// once, and all answers are the same.
func TestReplicasShareTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "legacy.db")
	var bases []string
	for range 3 {
		bases = append(bases, replica(t, file))
	}
	for _, line := range []string{sell("o-1", 5, cardOK), "OP=REFUND|REF=o-1"} {
		var wg sync.WaitGroup
		answers := make([]string, 30)
		for i := range answers {
			wg.Go(func() { answers[i] = transact(t, bases[i%len(bases)], line) })
		}
		wg.Wait()
		for i, got := range answers {
			if got != answers[0] || !strings.HasPrefix(got, "RC=00") {
				t.Errorf("answer %d: got %q, the first was %q", i, got, answers[0])
			}
		}
	}
	for _, base := range bases {
		if diff := cmp.Diff([]string{"SALE o-1 5 00", "REFUND o-1 5 00"}, booked(t, base)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestUnreadable reads nothing into a line that could mean two things, or none.
func TestUnreadable(t *testing.T) {
	for _, line := range []string{"", "hello", "OP=INQ", "REF=o-1", "OP=VOID|REF=o-1", "OP=INQ|REF=o-1|REF=o-2",
		"OP=REFUND|REF=o-1|AMT=000000000001", "OP=INQ|REF=a b", "OP=INQ|REF=" + strings.Repeat("a", maxTxn),
		"OP=SALE|REF=a|AMT=1|CCY=978|PAN=tok_ok", "OP=SALE|REF=a|AMT=00000000000x|CCY=978|PAN=tok_ok",
		"OP=SALE|REF=a|AMT=000000000001|CCY=840|PAN=tok_ok", "OP=SALE|REF=a|AMT=000000000001|CCY=978|PAN="} {
		if got, err := parse(line); err == nil {
			t.Errorf("%q is %+v", line, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{sell("o-1", 1999, cardOK), "OP=INQ|REF=o-1\r\n", "REF=a|OP=REFUND",
		"OP=SALE|REF=a|AMT=1|CCY=978|PAN=x", "OP=INQ|REF=a|REF=b", "", "|||", "OP=INQ|REF=a|AMT=000000000001"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parse(line)
		if err != nil {
			return
		}
		if again, err := parse(got.String()); err != nil || again != got {
			t.Errorf("%q is %+v, and that is %+v, %v", line, got, again, err)
		}
		if strings.ContainsAny(got.ref+got.pan, "|=\r\n") || got.amount < 0 {
			t.Errorf("%q is %+v", line, got)
		}
	})
}

func TestInvoice(t *testing.T) {
	base := start(t)
	transact(t, base, sell("o-1", 199905, cardOK))
	transact(t, base, sell("o-2", 5, cardRefused))
	transact(t, base, sell("o-3", 5, cardOK))
	transact(t, base, "OP=REFUND|REF=o-3")
	for order, want := range map[string][]string{
		"o-1": {"INVOICE  o-1", "PAID                         1999,05 EUR   T000000001", "BALANCE                      1999,05 EUR"},
		"o-2": {`"code":"not-found"`},
		"o-3": {"REFUNDED                       -0,05 EUR", "BALANCE                         0,00 EUR"},
	} {
		resp, err := http.Get(base + "/invoices/" + order)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		for _, line := range want {
			if err != nil || !strings.Contains(string(data), line) {
				t.Errorf("invoice of %s: got %v\n%s\nwant %q in it", order, err, data, line)
			}
		}
	}
}

func TestCatalogue(t *testing.T) {
	base := start(t) + "/catalogue.php"
	for _, i := range []item{{"tea", "Tea", "3,50"}, {"cup", "Cup", "12,00"}, {"tea", "Green tea", "0004,05"}} {
		if got := kittest.Call(t, "POST", base, i, nil); got != http.StatusOK {
			t.Errorf("write %v: got %d", i, got)
		}
	}
	var one item
	if got := kittest.Call(t, "GET", base+"?item=tea", nil, &one); got != 200 || one != (item{"tea", "Green tea", "4,05"}) {
		t.Errorf("got %d %v", got, one)
	}
	var list struct {
		Items []item `json:"ITEMS"`
	}
	kittest.Call(t, "GET", base+"?after=cup&limit=5", nil, &list)
	if diff := cmp.Diff([]item{one}, list.Items); diff != "" {
		t.Error(diff)
	}
	for _, i := range []item{{"", "T", "1,00"}, {"a b", "T", "1,00"}, {"a", "", "1,00"}, {"a", "T", "1.00"}, {"a", "T", "1,0"}} {
		if got := kittest.Call(t, "POST", base, i, nil); got != http.StatusUnprocessableEntity {
			t.Errorf("write %v: got %d, want 422", i, got)
		}
	}
	for path, want := range map[string]int{"?item=nothing": 404, "?limit=0": 400} {
		if got := kittest.Call(t, "GET", base+path, nil, nil); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

func TestCoupons(t *testing.T) {
	base := start(t)
	var got voucher
	if status := kittest.Call(t, "GET", base+"/coupons/WELCOME10", nil, &got); status != 200 || got.Percent != 10 {
		t.Errorf("got %d %+v", status, got)
	}
	if _, err := time.Parse(oldDate, got.ValidTo); err != nil {
		t.Error(err)
	}
	if status := kittest.Call(t, "GET", base+"/coupons/NONE", nil, nil); status != 404 {
		t.Errorf("got %d, want 404", status)
	}
}

// recorder is a response writer for handlers that are called in a bubble.
type recorder struct {
	strings.Builder
	header http.Header
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}

// TestWarehouseIsSlow takes 150 to 400 ms, for the same item always as long, and answers the same.
func TestWarehouseIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for i := range 20 {
			var took [2]time.Duration
			var said [2]string
			for round := range took {
				req, err := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.SetPathValue("item", fmt.Sprint("item-", i))
				began, out := time.Now(), &recorder{header: http.Header{}}
				if err := restock(out, req); err != nil {
					t.Fatal(err)
				}
				took[round], said[round] = time.Since(began), out.String()
			}
			if took[0] != took[1] || said[0] != said[1] || took[0] < 150*time.Millisecond || took[0] > 400*time.Millisecond {
				t.Errorf("item %d: took %v, said %q", i, took, said)
			}
			seen[took[0]] = true
		}
		if len(seen) < 5 {
			t.Errorf("got %d different times", len(seen))
		}
	})
}

// TestPushProvider takes a push once under each key, by both addresses, and refuses devices that are
// gone.
func TestPushProvider(t *testing.T) {
	base := start(t)
	send := func(path, key, device string) int {
		body := fmt.Sprintf(`{"device": %q, "title": "Hi", "body": "b"}`, device)
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, c := range []struct {
		path, key, device string
		want              int
	}{{"/push", "r-1", "phone", 201}, {"/push/send", "r-1", "phone", 201}, {"/push/send", "r-2", "gone-1", 410}, {"/push", "r-3", "tab", 201}} {
		if got := send(c.path, c.key, c.device); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
	var out struct{ Deliveries []push }
	kittest.Call(t, "GET", base+"/push/deliveries", nil, &out)
	if diff := cmp.Diff([]push{{"r-1", "phone", "Hi", "b"}, {"r-3", "tab", "Hi", "b"}}, out.Deliveries); diff != "" {
		t.Error(diff)
	}
}

// TestFileIsNeeded ends without a file: one in a place that nobody chose would be lost.
func TestFileIsNeeded(t *testing.T) {
	if err := run(t.Context(), kittest.App(t, nil)); err == nil || !strings.Contains(err.Error(), "LEGACY_FILE") {
		t.Errorf("got %v", err)
	}
}
