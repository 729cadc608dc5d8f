package sam

// url are the function's URL, and what lets everybody call it where it is open.
func (f *function) url() []*resource {
	given, _ := f.get("FunctionUrlConfig").(*dict)
	if given.size() == 0 {
		return nil
	}
	if !isIntrinsic(given) {
		if a := given.get("AuthType"); !isIntrinsic(a) && !is(a, awsIAM) && !is(a, none) {
			f.bad("AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.")
		}
		f.checkCors(given.get("Cors"))
	}
	r := newResource("AWS::Lambda::Url", f.id+"Url", f.inherited())
	if c := given.get("Cors"); truthy(c) {
		r.set("Cors", c)
	}
	r.set("AuthType", given.get("AuthType")).set("InvokeMode", given.get("InvokeMode")).set("TargetFunctionArn", f.called().ref())
	if !is(given.get("AuthType"), none) || isIntrinsic(given) {
		return []*resource{r}
	}
	permission := func(suffix, action string) *resource {
		p := newResource("AWS::Lambda::Permission", f.id+suffix, f.inherited())
		return p.set("Action", action).set("FunctionName", f.called().ref()).set("Principal", "*")
	}
	return []*resource{
		r,
		permission("UrlPublicPermissions", "lambda:InvokeFunctionUrl").set("FunctionUrlAuthType", given.get("AuthType")),
		permission("URLInvokeAllowPublicAccess", "lambda:InvokeFunction").set("InvokedViaFunctionUrl", true),
	}
}

// urlCors are the members of a URL's Cors, and what Python calls their types.
var urlCors = map[string]string{"AllowOrigins": "list", "AllowMethods": "list", "AllowCredentials": "bool",
	"AllowHeaders": "list", "ExposeHeaders": "list", "MaxAge": "int"}

func (f *function) checkCors(v any) {
	if !truthy(v) || isIntrinsic(v) {
		return
	}
	d := at(f.id, "FunctionUrlConfig.Cors").object(v)
	for _, n := range d.names() {
		kind, ok := urlCors[n.text]
		if !ok {
			f.bad("%s is not a valid property for configuring Cors.", n.text)
		}
		if m := d.get(n.text); !isIntrinsic(m) && !fits(m, kind) {
			f.bad("%s must be of type %s.", n.text, kind)
		}
	}
}
