// Presses the button of the form that carries an answer back; without script the person presses it.
document.getElementById("carry").submit();
