"""Names in the run that tests of the explorer share; some would be markup or a formula if they were taken for one."""

HOSTILE = "<img src=x onerror=alert(1)>.png"
FORMULA = '=1+1,"x".png'
SITES = ("site <b>a", "tunnel")
