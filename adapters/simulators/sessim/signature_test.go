package sessim

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The requests and signatures are of AWS's "Signature Version 4 test suite".
func TestTheVectorsOfAWS(t *testing.T) {
	t.Parallel()
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for _, c := range []struct {
		name, method, target, body, headers, want string
		more                                      http.Header
	}{
		{"get-vanilla", "GET", "/", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"post-vanilla", "POST", "/", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", nil},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", nil},
		{
			"post-x-www-form-urlencoded", "POST", "/", "Param1=value1", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		},
		{
			"get-header-key-duplicate", "GET", "/", "", "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
			http.Header{"My-Header1": {"value2", "value2", "value1"}},
		},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "https://example.amazonaws.com"+c.target, strings.NewReader(c.body))
		r.Header = http.Header{"X-Amz-Date": {"20150830T123600Z"}}
		for name, values := range c.more {
			r.Header[name] = values
		}
		r.Header.Set("Authorization", algorithm+" Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+c.headers+", Signature="+c.want)
		s, bad := signatureOf(r)
		if bad != nil {
			t.Fatalf("%s: %v", c.name, bad)
		}
		if got := hex.EncodeToString(s.sign(secret, s.canonical(r, []byte(c.body)))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
