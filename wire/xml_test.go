package wire

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// grantee is as S3's is: its attribute's name has a prefix, which it declares itself.
type grantee struct {
	_    struct{} `aws:"Grantee,ns:http://www.w3.org/2001/XMLSchema-instance,nsprefix:xsi"`
	ID   *string  `aws:"ID"`
	Type *string  `aws:"xsi:type,attr"`
}

type grant struct {
	Grantee *grantee `aws:"Grantee"`
}

type place struct {
	Location *string `aws:"LocationConstraint"`
}

func TestXMLRoots(t *testing.T) {
	s := &aws.Service{XMLNamespace: "http://s3/"}
	named := &aws.Operation{Service: s, Name: "GetACL", Root: "Policy"}
	bare := &aws.Operation{Service: s, Name: "GetLocation", Root: "LocationConstraint", Unwrapped: true}
	for _, c := range []struct {
		op   *aws.Operation
		out  any
		want string
	}{
		{named, &grant{&grantee{ID: str("1"), Type: str("Group")}},
			`<Policy xmlns="http://s3/"><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><ID>1</ID></Grantee></Policy>`},
		{bare, &place{str("eu-west-1")}, `<LocationConstraint xmlns="http://s3/">eu-west-1</LocationConstraint>`},
		{bare, &place{}, `<LocationConstraint xmlns="http://s3/"></LocationConstraint>`},
		{named, &place{str("a\x01\n")}, "<Policy xmlns=\"http://s3/\"><LocationConstraint>a&#x1;&#xA;</LocationConstraint></Policy>"},
	} {
		res, err := Marshal(aws.RestXML, c.op, c.out, "id")
		if err != nil || string(res.Body) != xmlPreamble+c.want {
			t.Errorf("%s: %s %v", c.op.Name, res.Body, err)
		}
	}
}
