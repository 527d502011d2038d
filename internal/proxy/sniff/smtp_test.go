package sniff

import (
	"errors"
	"io"
	"net"
	netsmtp "net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	smtpserver "github.com/emersion/go-smtp"
)

func TestSMTPCommands(t *testing.T) {
	hello := []step{answer("220 mail\r\n"), ask("EHLO me\r\n"), answer("250-mail\r\n250 AUTH PLAIN\r\n")}
	mail := []step{ask("mail FROM:<hunter1@a>\r\n"), answer("250 ok\r\n"), ask("RCPT TO:<hunter2@b>\r\n"), answer("250 ok\r\n"), ask("DATA\r\n"), answer("354 go\r\n")}
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"mail", append(mail, ask("Subject: hunter3\r\nTraceparent: "+aParent+"\r\n\r\nhunter4\r\n..\r\n.\r\n"), answer("250 queued\r\n"), ask("QUIT\r\n"), answer("221 bye\r\n")),
			[]string{"producer send mail [250] [1] " + aParent}},
		{"pipelined", []step{ask("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"), answer("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), ask(".\r\n"), answer("250 ok\r\n")},
			[]string{"producer send mail [250] [2]"}},
		{"refused", []step{ask("MAIL FROM:<a>\r\n"), answer("250 ok\r\n"), ask("RCPT TO:<hunter5@b>\r\n"), answer("550 5.1.1 no such user <hunter5@b>\r\n"), ask("RSET\r\n"), answer("250 ok\r\n")},
			[]string{"producer send mail [550] [0] ! 550 5.1.1 no such user"}},
		{"refused at the end", append(mail, ask("hunter6\r\n.\r\n"), answer("554-too\r\n554 bad\r\n")), []string{"producer send mail [554] [1] ! 554 bad"}},
		{"chunks", append(mail[:4:4], ask("BDAT 3\r\n.\r\n"), answer("250 ok\r\n"), ask("BDAT 7 LAST\r\nhunter7"), answer("250 ok\r\n")), []string{"producer send mail [250] [1]"}},
		{"auth", []step{ask("AUTH LOGIN\r\n"), answer("334 VXNlcg==\r\n"), ask("hunter8\r\n"), answer("334 UGFzcw==\r\n"), ask("QUIT\r\n"), answer("535 no\r\n")},
			[]string{"client AUTH [535] ! 535 no"}},
		{"closed", mail, []string{"producer send mail [1] ! " + broken}},
		{"TLS", append([]step{ask("STARTTLS\r\n"), answer("220 go\r\n")}, mail...), []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := append(hello[:len(hello):len(hello)], tt.steps...)
			checkShown(t, shown(exchanges(t, "smtp", steps), "msctl.mail.reply_code", "msctl.mail.recipients"), tt.want...)
			checkSecret(t, "smtp", steps, "hunter")
		})
	}
}

// mailbox is a server that takes mail for anybody but nobody.
type mailbox struct{}

func (mailbox) NewSession(*smtpserver.Conn) (smtpserver.Session, error) { return mailbox{}, nil }
func (mailbox) AuthMechanisms() []string                                { return []string{sasl.Plain} }
func (mailbox) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}
func (mailbox) Reset()                                     {}
func (mailbox) Logout() error                              { return nil }
func (mailbox) Mail(string, *smtpserver.MailOptions) error { return nil }
func (mailbox) Data(r io.Reader) error                     { _, err := io.Copy(io.Discard, r); return err }
func (mailbox) Rcpt(to string, _ *smtpserver.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return errors.New("there is no " + to)
	}
	return nil
}

// TestSMTPReal reads along with a real client and a server in this process.
func TestSMTPReal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtpserver.NewServer(mailbox{})
	s.AllowInsecureAuth = true
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	defer func() { s.Close(); <-done }()
	rec := record(t, ln.Addr().String())
	auth := netsmtp.PlainAuth("", "user", "hunter2", "127.0.0.1")
	body := []byte("Subject: hunter3\r\ntraceparent: " + aParent + "\r\n\r\n" + strings.Repeat("hunter4\r\n.\r\n", 10_000))
	if err := netsmtp.SendMail(rec.addr(), auth, "a@example.com", []string{"b@example.com", "c@example.com"}, body); err != nil {
		t.Fatal(err)
	}
	if err := netsmtp.SendMail(rec.addr(), auth, "a@example.com", []string{"nobody@example.com"}, body); err == nil {
		t.Fatal("mail to nobody is taken")
	}
	got := rec.told(t, "smtp")
	checkShown(t, shown(got, "msctl.mail.recipients"), "producer send mail [2] "+aParent, "producer send mail [0] ! 451 4.0.0 there is no")
	if len(got) == 2 && got[0].Sent < int64(len(body)) {
		t.Errorf("%d bytes were sent, want more than %d", got[0].Sent, len(body))
	}
	for _, steps := range rec.steps() {
		checkSecret(t, "smtp", steps, "hunter", "example.com")
	}
}

func FuzzSMTP(f *testing.F) {
	fuzz(f, "smtp", []step{answer("220 mail\r\n"), ask("EHLO me\r\nAUTH LOGIN\r\n"), answer("250-mail\r\n250 ok\r\n334 x\r\n"), ask("secret\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"),
		answer("235 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"), ask("Traceparent: " + aParent + "\r\n\r\nx\r\n.\r\nBDAT 3 LAST\r\nabc"), answer("250 ok\r\n250 ok\r\n")})
}
