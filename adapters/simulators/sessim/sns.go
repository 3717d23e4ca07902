package sessim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // version 1 of the signature
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Topic is a topic of Amazon SNS, to which SES publishes its events. As an http.Handler it is SNS in the
// region of the topic: it serves the certificate, and takes the confirmation of a subscription.
type Topic struct {
	ARN, Region string
	key         *rsa.PrivateKey
	certificate []byte // PEM

	mu        sync.Mutex
	confirmed int
	served    int
}

// Envelope is the body of a delivery of SNS. Fields that are not set are not there.
type Envelope map[string]string

const certificatePath = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"

// NewTopic returns a topic with a key and a certificate that is valid for a year around the given time.
func NewTopic(region string, now time.Time) *Topic {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(0, 6, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &Topic{
		ARN: "arn:aws:sns:" + region + ":123456789012:ses-events", Region: region, key: key,
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
}

// Host is that of SNS in the region of the topic.
func (t *Topic) Host() string { return "sns." + t.Region + ".amazonaws.com" }

// CertificateURL is where the certificate is.
func (t *Topic) CertificateURL() string { return "https://" + t.Host() + certificatePath }

// Certificate is the certificate in PEM.
func (t *Topic) Certificate() []byte { return t.certificate }

// Confirmed counts the confirmations of a subscription.
func (t *Topic) Confirmed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.confirmed
}

// Served counts how often the certificate was fetched.
func (t *Topic) Served() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.served
}

// token is that of the subscription.
const token = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92" //nolint:gosec // the same for everybody

// ServeHTTP implements http.Handler.
func (t *Topic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	query := r.URL.Query()
	switch {
	case r.URL.Path == certificatePath:
		t.served++
		_, _ = w.Write(t.certificate) // the client may have gone
	case r.URL.Path == "/" && query.Get("Action") == "ConfirmSubscription" && query.Get("TopicArn") == t.ARN && query.Get("Token") == token:
		t.confirmed++
		_, _ = w.Write([]byte("<ConfirmSubscriptionResponse/>"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Notification is a delivery of a message that was published under an id.
func (t *Topic) Notification(id, message string, at time.Time) Envelope {
	return Envelope{
		"Type": "Notification", "MessageId": id, "TopicArn": t.ARN, "Subject": "Amazon SES Email Event Notification", "Message": message,
		"Timestamp": stamp(at), "UnsubscribeURL": "https://" + t.Host() + "/?Action=Unsubscribe&SubscriptionArn=" + t.ARN + ":1",
	}
}

// Subscription is the delivery that asks to confirm a subscription.
func (t *Topic) Subscription(at time.Time) Envelope {
	return Envelope{
		"Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": t.ARN, "Token": token,
		"Message":      "You have chosen to subscribe to the topic " + t.ARN + ".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
		"SubscribeURL": "https://" + t.Host() + "/?Action=ConfirmSubscription&TopicArn=" + url.QueryEscape(t.ARN) + "&Token=" + token, "Timestamp": stamp(at),
	}
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// Sign returns the body of a delivery, signed by this version of the signature, 1 or 2.
func (t *Topic) Sign(e Envelope, version string) []byte {
	signed := e.canonical()
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(signed))
	digest := sum[:]
	if version == "1" {
		sum := sha1.Sum([]byte(signed)) //nolint:gosec // as above
		hash, digest = crypto.SHA1, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.key, hash, digest)
	if err != nil {
		panic(err)
	}
	all := maps.Clone(e)
	all["SignatureVersion"], all["Signature"], all["SigningCertURL"] = version, base64.StdEncoding.EncodeToString(signature), t.CertificateURL()
	return Body(all)
}

// canonical returns what is signed:
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func (e Envelope) canonical() string {
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if e["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var lines []string
	for _, name := range names {
		if value, ok := e[name]; ok {
			lines = append(lines, name, value)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// Headers are those of a delivery.
func (t *Topic) Headers(e Envelope) map[string]string {
	return map[string]string{
		"X-Amz-Sns-Message-Type": e["Type"], "X-Amz-Sns-Message-Id": e["MessageId"], "X-Amz-Sns-Topic-Arn": t.ARN, "Content-Type": "text/plain; charset=UTF-8",
	}
}

// Body returns a value as JSON.
func Body(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}
