# What the examples share: a Tule of their own on a fresh data folder, AWS's command
# line pointed at it, and words for what they do. Source it, then `begin NAME`.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
port=${TULE_PORT:-4566}
url=http://localhost:$port
here=
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
	AWS_ENDPOINT_URL=$url AWS_PAGER= AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then b=$'\e[1m' g=$'\e[32m' d=$'\e[90m' r=$'\e[31m' n=$'\e[0m'; else b= g= d= r= n=; fi
step=0
say() { step=$((step + 1)); printf '\n%s%2d. %s%s\n' "$b" "$step" "$*" "$n"; }
note() { printf '    %s%s%s\n' "$d" "$*" "$n"; }
die() { printf '\n%s%s: %s%s\n' "$r" "$name" "${*%.}. Tule's log: $data/tule.log" "$n" >&2; exit 1; }
aws() { "$root/.cache/venv/bin/aws" "$@"; }

tule=
stop() {
	[ -z "$tule" ] || { kill "$tule" 2>/dev/null && wait "$tule" 2>/dev/null; tule=; } || true
}
trap stop EXIT

start() { # waits for «Ready.», and shows why if it does not come
	mkfifo "$data/ready"
	bin/tule start --data "$data/tule" --listen "127.0.0.1:$port" --log-format text "$@" >"$data/ready" 2>>"$data/tule.log" &
	tule=$!
	if ! grep -q -m1 '^Ready\.' "$data/ready"; then
		tule=
		die "Tule did not start: $(tail -n 3 "$data/tule.log")"
	fi
	rm "$data/ready"
}

begin() { # name: checks what is needed, and starts Tule on a fresh folder
	local need
	name=$1 data=$root/.cache/examples/$1
	here=examples/$1
	for need in bin/tule .cache/venv/bin/aws .cache/provided/runtimes; do
		[ -e "$need" ] || { data=nowhere; die "$need is not there: run \`make build setup\`"; }
	done
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
		data=nowhere
		die "port $port is taken: is another Tule, or another stand-in for AWS, running? Stop it, or: TULE_PORT=4567 $0"
	fi
	say "Start Tule on a fresh data folder"
	rm -rf "$data"
	mkdir -p "$data/tule"
	cp -al .cache/provided/runtimes "$data/tule/runtimes"
	shift
	start "$@"
	note "process $tule, $url, state in $data/tule, log in $data/tule.log"
}

trust() { # service principal
	printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}' "$1"
}

role() { # name [managed policy…]: a function's role, which may log; its ARN
	local policy made=$1
	aws iam create-role --role-name "$1" --assume-role-policy-document "$(trust lambda.amazonaws.com)" >/dev/null
	shift
	for policy in service-role/AWSLambdaBasicExecutionRole "$@"; do
		aws iam attach-role-policy --role-name "$made" --policy-arn "arn:aws:iam::aws:policy/$policy"
	done
	aws iam get-role --role-name "$made" --query Role.Arn --output text
}

function_of() { # name runtime handler role zip [option…]: its ARN, when it is ready
	local made=$1 runtime=$2 handler=$3 role=$4 zip=$5
	shift 5
	aws lambda create-function --function-name "$made" --runtime "$runtime" --handler "$handler" --role "$role" \
		--zip-file "fileb://$zip" --timeout 30 --memory-size 512 "$@" --query FunctionArn --output text
	aws lambda wait function-active-v2 --function-name "$made"
}

publish() { # document function-name function-ARN: imports an API, whose FUNCTION is the function, to the stage prod
	sed "s|FUNCTION|arn:aws:apigateway:$AWS_REGION:lambda:path/2015-03-31/functions/$3/invocations|" "$1" >"$data/api.yaml"
	api=$(aws apigateway import-rest-api --body "fileb://$data/api.yaml" --query id --output text)
	aws lambda add-permission --function-name "$2" --statement-id "$api" --action lambda:InvokeFunction --principal apigateway.amazonaws.com \
		--source-arn "arn:aws:execute-api:$AWS_REGION:000000000000:$api/*" >/dev/null
	deploy
}

deploy() {
	aws apigateway create-deployment --rest-api-id "$api" --stage-name prod >/dev/null
	api_url=$url/_aws/execute-api/$api/prod
	note "$api_url"
}

call() { # method path [curl's options]: the answer's body is in $reply, its status in $status, its head in $data/headers
	local method=$1 path=$2
	shift 2
	printf '    %scurl -X %s …/prod%s %s%s\n' "$d" "$method" "$path" "$*" "$n"
	status=$(curl -sS -o "$data/body" -D "$data/headers" -w '%{http_code}' -X "$method" "$@" "$api_url$path")
	reply=$(tr -d '\0' <"$data/body")
	printf '    %s%s %s%s\n' "$g" "$status" "$(printf %s "$reply" | tr -dc '[:print:]' | cut -c1-150)" "$n"
}

want() { # status [a text that the body holds]
	[ "$status" = "$1" ] || die "expected the status $1, not $status"
	case "$reply" in *"${2:-}"*) ;; *) die "expected «$2» in the answer above" ;; esac
}

header() { tr -d '\r' <"$data/headers" | sed -n "s/^$1: //Ip"; }
